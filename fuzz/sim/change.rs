//! An operator's changes of the registry: the note of the first server is the number of the newest one. A change that
//! was confirmed stays. One that failed is not shown. After a start it may be there, because it may be on disk.

use windfire_engine::server::ServerEdit;
use windfire_engine::{Engine, Selection};

use crate::moments::mortal;
use crate::world::World;

/// What the hub said of changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The newest one that it confirmed.
    confirmed: u64,
    /// The newest one that it was asked for.
    asked: u64,
}

impl World {
    /// The operator changes something.
    pub(crate) fn change(&mut self) -> Result<(), String> {
        let Some(engine) = &self.hub.engine else { return Ok(()) };
        self.changes.asked += 1;
        let (id, number) = (self.ids[0], self.changes.asked);
        let edit = ServerEdit { note: Some(number.to_string()), ..ServerEdit::default() };
        let edited = match mortal(|| engine.registry().edit_server(id, edit)) {
            Ok(edited) => edited.map_err(|error| error.to_string()),
            Err(died) => return self.died(&died),
        };
        let what = match edited {
            Ok(_) => {
                self.changes.confirmed = number;
                "changes"
            }
            Err(_) if self.refusing > 0 => "failed changes",
            Err(error) => return Err(format!("a change fails: {error}")),
        };
        let (shown, confirmed) = (shown(engine, id)?, self.changes.confirmed);
        self.journal.count(what, 1);
        self.note(&format!("change {number}: {confirmed} is confirmed"));
        if shown == confirmed { Ok(()) } else { Err(format!("change {confirmed} was confirmed, {shown} is shown")) }
    }

    /// Looks after a start which change is there.
    pub(crate) fn look_for_changes(&mut self) -> Result<(), String> {
        let Some(engine) = &self.hub.engine else { return Ok(()) };
        let (shown, Changes { confirmed, asked }) = (shown(engine, self.ids[0])?, &self.changes);
        if !(*confirmed..=*asked).contains(&shown) {
            return Err(format!("change {confirmed} was confirmed, {asked} asked for, {shown} is there after a start"));
        }
        self.changes = Changes { confirmed: shown, asked: shown };
        Ok(())
    }
}

/// The change that readers see; 0 before the first.
fn shown(engine: &Engine, id: u64) -> Result<u64, String> {
    let view = engine.snapshot(Selection::Ids(&[id])).into_iter().next().ok_or("the first server is gone")?;
    match view.record.note.as_str() {
        "" => Ok(0),
        note => note.parse().map_err(|_| format!("the note is {note:?}, which no change made")),
    }
}
