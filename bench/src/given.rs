//! What a tester hands to a test in the environment.

use std::env::{self, VarError};
use std::str::FromStr;

/// The number in a variable, or the usual one where it is absent.
///
/// # Panics
/// When the variable has something else.
pub fn given<T: FromStr>(variable: &str, usual: T) -> T {
    match env::var(variable) {
        Err(VarError::NotPresent) => usual,
        text => text.ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{variable} is not a number")),
    }
}

/// The seed of a test's random choices: `SEED`, or a new one, which is printed.
///
/// # Panics
/// When `SEED` is not a number.
pub fn seed() -> u64 {
    let seed = given("SEED", fastrand::u64(..));
    println!("seed {seed} (set SEED to repeat its choices)");
    seed
}
