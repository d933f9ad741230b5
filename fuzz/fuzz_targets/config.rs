//! The hub's configuration file: whatever is in it, it is in force or refused with an error that is not much longer. What
//! `check-config --json` shows of it is a configuration that puts the same in force.
#![no_main]

// The hub is a program and no library, so its files are read here as well.
#[path = "../../engine/hub/src/config.rs"]
#[allow(dead_code)]
mod config;
#[path = "../../engine/hub/src/config_words.rs"]
mod config_words;
#[path = "../../engine/hub/src/limits.rs"]
#[allow(dead_code)]
mod limits;
#[path = "../../engine/hub/src/memory.rs"]
#[allow(dead_code)]
mod memory;
#[path = "../../engine/hub/src/panel_address.rs"]
mod panel_address;
#[path = "../../engine/hub/src/proxies.rs"]
#[allow(dead_code)]
mod proxies;
#[path = "../../engine/hub/src/variables.rs"]
#[allow(dead_code)]
mod variables;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use config::{Config, Place, Settings};
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    folder.join("windfire.toml")
});

fn load(text: &[u8]) -> Result<Config, String> {
    fs::write(&*FILE, text).expect("the folder can be written");
    Config::load(&Place { config: Some(FILE.clone()), data: None }, Settings::default())
}

/// The configuration as a file.
fn written(config: &Config) -> String {
    let shown = serde_json::to_value(config).expect("it can be shown");
    let keys = shown.as_object().expect("it has keys");
    // TOML takes JSON's texts, numbers and truths as they are, except for this character.
    keys.iter().map(|(key, value)| format!("{key} = {}\n", value.to_string().replace('\x7f', "\\u007f"))).collect()
}

fuzz_target!(|text: &[u8]| {
    match load(text) {
        Ok(config) => {
            let again = written(&config);
            let same = load(again.as_bytes()).unwrap_or_else(|error| panic!("{again}is refused: {error}"));
            assert_eq!(format!("{same:?}"), format!("{config:?}"), "{again}");
            // What the hub does with it while it starts.
            config.log_filter().expect("it was checked");
            let _any = (config.agents_address_at(5555), config.retention(), config.hsts());
        }
        Err(error) => {
            assert!(error.lines().next().is_some_and(|line| !line.is_empty()), "{error:?}");
            // It shows the line and the value; a character may be shown as its number.
            assert!(error.len() <= 4096 + 32 * text.len(), "{} bytes about {}", error.len(), text.len());
        }
    }
});
