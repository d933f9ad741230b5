//! The files that say what a store or a backup is: `BACKUP`, `FORMAT`, `DURABLE`, `DAMAGED`, `ROLLBACK`. What is read
//! says the same when it is written again, and no path leads out of the backup.
#![no_main]

// The hub is a program and no library, so its file is read here as well.
#[path = "../../engine/hub/src/admin/backup_list.rs"]
#[allow(dead_code)]
mod backup_list;

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(said) = backup_list::parse(text) {
        for (path, _) in &said.files {
            let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
            assert!(Path::new(path).components().all(is_inside), "{path:?}");
        }
        let again = backup_list::text(said.contents, said.files.iter().copied());
        let same = backup_list::parse(&again).expect("its own list");
        assert_eq!((same.contents, same.files), (said.contents, said.files));
    }
    if let Some(version) = windfire_engine::format_version(text) {
        assert!(text.starts_with("windfire store "), "{version}");
    }
    if let Some(note) = windfire_engine::durable_note(text) {
        assert!(text.starts_with("windfire durable "));
        assert_eq!(windfire_engine::durable_note(&note), Some(note.clone()));
    }
    if let Some(marks) = windfire_engine::damaged_note(text) {
        assert!(text.starts_with("windfire damaged "));
        assert_eq!(windfire_engine::damaged_note(&marks), Some(marks.clone()));
    }
    if let Some(note) = windfire_engine::rollback_note(text) {
        assert!(text.starts_with("windfire rollback "));
        assert_eq!(windfire_engine::rollback_note(&note), Some(note.clone()));
    }
});
