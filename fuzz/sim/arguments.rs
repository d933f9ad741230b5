//! Options of the simulator.

use std::collections::BTreeSet;

use crate::faults::Fault;

/// What is printed for `--help`, and with an argument that is not understood.
pub(crate) const USAGE: &str = "\
sim [--cluster] [--seeds N] [--from K] [--seed K] [--steps N] [--without FAULT,…] [--jobs N] [--journal]

  --cluster      several hubs that follow a stream, instead of one hub
  --seeds N      run N seeds; default: 200
  --from K       begin with seed K; default: 0
  --seed K       run seed K twice, and compare both runs
  --steps N      steps of a run; default: 250
  --without …    faults that do not happen, by name
  --jobs N       seeds that run at once; default: one per core
  --journal      print what happens in the one seed
";

/// Options of the simulator.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) seeds: u64,
    pub(crate) from: u64,
    /// The one seed to run.
    pub(crate) seed: Option<u64>,
    pub(crate) steps: u64,
    pub(crate) without: BTreeSet<Fault>,
    pub(crate) jobs: u64,
    pub(crate) prints: bool,
    pub(crate) is_cluster: bool,
}

impl Arguments {
    /// Reads them. The error says which one is wrong, and what would be right.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let without = BTreeSet::new();
        let mut arguments = Self {
            seeds: 200,
            from: 0,
            seed: None,
            steps: 250,
            without,
            jobs: cores,
            prints: false,
            is_cluster: false,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--journal" => {
                    arguments.prints = true;
                    continue;
                }
                "--cluster" => {
                    arguments.is_cluster = true;
                    continue;
                }
                _ => {}
            }
            let value = words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{word} {value} must be a number"));
            match word.as_str() {
                "--seeds" => arguments.seeds = number()?,
                "--from" => arguments.from = number()?,
                "--seed" => arguments.seed = Some(number()?),
                "--steps" => arguments.steps = number()?,
                "--jobs" => arguments.jobs = number()?.max(1),
                "--without" => {
                    for name in value.split(',').filter(|name| !name.is_empty()) {
                        arguments.without.insert(Fault::named(name).ok_or_else(|| no_fault(name))?);
                    }
                }
                _ => return Err(format!("{word} is unknown\n{USAGE}")),
            }
        }
        Ok(arguments)
    }
}

fn no_fault(name: &str) -> String {
    let names: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    format!("--without {name} must be one of {}", names.join(", "))
}
