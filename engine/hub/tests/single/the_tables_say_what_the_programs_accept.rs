//! The tables of docs/operating.md against the help of both programs: options, variables and defaults, both ways. And the hub
//! knows every variable of the agent, so that neither is a fault where both run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::hub::HUB;
use crate::hub::agent_process::program;
use regex::Regex;

const PAGE: &str = include_str!("../../../../docs/operating.md");

/// An option of a program, as its help tells it.
#[derive(Debug)]
struct Told {
    variable: Option<String>,
    default: Option<String>,
}

/// Every option of a program by its name without dashes; not `help` and `version`.
fn options(program: &Path, arguments: &[&str]) -> BTreeMap<String, Told> {
    let mut command = Command::new(program);
    // Values of variables would stand in the help.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WINDFIRE_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).arg("--help").output().expect("the program");
    let help = String::from_utf8(output.stdout).expect("text");
    let begin = Regex::new(r"(?m)^ +(?:-\w, )?--([a-z][a-z-]*)").expect("a pattern");
    let starts: Vec<_> = begin.captures_iter(&help).map(|found| found.get(1).expect("a name")).collect();
    let ends = starts.iter().skip(1).map(|next| next.start()).chain([help.len()]);
    let told = starts.iter().zip(ends).map(|(name, end)| {
        let words = help[name.end()..end].split_whitespace().collect::<Vec<_>>().join(" ");
        let within = |mark: &str| {
            let rest = words.split(mark).nth(1)?;
            rest.split([']', '=']).next().map(str::to_owned)
        };
        (name.as_str().to_owned(), Told { variable: within("[env: "), default: within("[default: ") })
    });
    told.filter(|(name, _)| name != "help" && name != "version").collect()
}

/// The cells of the rows of the table whose head begins with these words.
fn table(head: &str) -> Vec<Vec<String>> {
    let lines = PAGE.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let rows: Vec<Vec<String>> = lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect())
        .collect();
    assert!(rows.len() > 5, "docs/operating.md has a table that begins with {head:?}");
    rows
}

/// What stands in backticks in a cell, without what follows a blank: `--spool DIR` is the option `--spool`.
fn quoted(cell: &str) -> Vec<String> {
    let words = cell.split('`').skip(1).step_by(2);
    words.filter_map(|word| word.split(' ').next().map(str::to_owned)).collect()
}

fn variables(options: &BTreeMap<String, Told>) -> BTreeSet<String> {
    options.values().filter_map(|told| told.variable.clone()).collect()
}

#[test]
fn every_key_of_the_hub_is_in_its_table_with_its_default() {
    let options = options(Path::new(HUB), &["serve"]);
    // Where the file is, is no key of the file; a new certificate and an upgrade for good are for one start.
    let keys: BTreeSet<String> = options
        .keys()
        .filter(|name| !["config", "new-certificate", "without-rollback"].contains(&name.as_str()))
        .map(|n| n.replace('-', "_"))
        .collect();
    let rows = table("| key | default |");
    let shown: BTreeSet<String> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    assert_eq!(shown, keys, "left docs/operating.md, right windfire serve --help");
    for row in &rows {
        for key in quoted(&row[0]) {
            let told = &options[&key.replace('_', "-")];
            assert_eq!(told.variable, Some(format!("WINDFIRE_{}", key.to_uppercase())), "{key}");
            // A default that is words is put in other words there.
            match told.default.as_deref() {
                Some(default) if !default.contains(' ') => assert_eq!(row[1].trim_matches('`'), default, "{key}"),
                _ => assert!(
                    !row[1].contains('`') || row[1].contains(' '),
                    "{key} has no default in the help: {}",
                    row[1]
                ),
            }
        }
    }
}

#[test]
fn every_option_of_the_agent_is_in_its_table_with_its_variable_and_default() {
    let options = options(&program(), &[]);
    let rows = table("| option | variable |");
    let mut shown = BTreeSet::new();
    for row in &rows {
        let (names, variables) = (quoted(&row[0]), quoted(&row[1]));
        assert_eq!(names.len(), variables.len(), "a variable for each option: {row:?}");
        for (name, variable) in names.iter().zip(variables) {
            let name = name.trim_start_matches('-');
            let told = options.get(name).unwrap_or_else(|| panic!("the agent has no --{name}"));
            assert_eq!(told.variable.as_ref(), Some(&variable), "--{name}");
            if let Some(default) = &told.default {
                assert!(quoted(&row[2]).contains(default), "--{name} is {default} unless given: {row:?}");
            }
            shown.insert(name.to_owned());
        }
    }
    assert_eq!(shown, options.keys().cloned().collect(), "left docs/operating.md, right windfire-agent --help");
}

#[test]
fn the_hub_knows_every_variable_of_the_agent() {
    let known = include_str!("../../src/variables.rs");
    let list = known.split("AGENT_VARIABLES").nth(1).and_then(|rest| rest.split("];").next()).expect("a list");
    let known: BTreeSet<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(known, variables(&options(&program(), &[])), "left the hub's list, right windfire-agent --help");
}

#[test]
fn the_packages_file_of_the_agent_has_every_variable_but_those_of_secrets_and_sets_none() {
    let file = include_str!("../../../../agent/package/agent.env");
    let assignments = file.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let shown: BTreeSet<String> =
        assignments.map(|(name, _)| name.to_owned()).filter(|name| name.starts_with("WINDFIRE_")).collect();
    let mut known = variables(&options(&program(), &[]));
    known.retain(|name| !name.contains("CREDENTIAL") && !name.contains("ENROL"));
    assert_eq!(shown, known, "left agent/package/agent.env, right windfire-agent --help");
    assert!(file.lines().all(|line| line.is_empty() || line.starts_with('#')), "every variable is a comment");
}
