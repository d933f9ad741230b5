//! What shells and `man` read about the command line. Both are written from the verbs themselves, so they cannot differ
//! from what the program accepts.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;

/// Name of the program, as shells know it.
const PROGRAM: &str = "windfire";

/// The completions of a shell.
pub(crate) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), PROGRAM, &mut script);
    String::from_utf8_lossy(&script).trim_end().to_owned()
}

/// Writes a page for the program and one for each verb into a folder, which is created if it is missing.
///
/// # Errors
/// The folder cannot be created, or a page cannot be written.
pub(crate) fn write_pages(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|error| format!("{}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the pages for a command and the verbs below it.
    fn pages(command: &clap::Command, above: &str) -> Vec<String> {
        let name = format!("{above}{}", command.get_name());
        let below = command.get_subcommands().flat_map(|verb| pages(verb, &format!("{name}-")));
        below.chain([format!("{name}.1")]).collect()
    }

    #[test]
    fn every_verb_has_a_page_and_is_completed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path().join("man1");
        write_pages(&folder).expect("written");
        let entries = fs::read_dir(&folder).expect("made").map(|entry| entry.expect("an entry").file_name());
        let mut found: Vec<String> = entries.map(|name| name.into_string().expect("UTF-8")).collect();
        let mut expected = pages(&Cli::command(), "");
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        assert!(found.contains(&"windfire-channel-add.1".to_owned()), "{found:?}");
        let page = fs::read_to_string(folder.join("windfire-serve.1")).expect("written");
        assert!(page.contains("WINDFIRE_FIRST_PASSWORD_FILE"), "options have their variables: {page}");
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell);
            for word in ["enrol-token", "salvage", "commit-interval-ms"] {
                assert!(script.contains(word), "{shell} does not know {word}");
            }
        }
    }
}
