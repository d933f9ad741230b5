//! The way back from an upgrade of the store: what is said of it, and the verb `rollback`.

use std::path::Path;

use windfire_engine::{Contents, RolledBack, Upgraded, drop_rollback, kept_rollback, roll_back};

use super::request::RollbackLine;
use crate::folder::{Holder, check_is_hubs, explain, holder};
use crate::user::check_may_write;

/// What an upgrade of the store means for its operator.
pub(crate) fn describe_upgrade(data: &Path, upgraded: &Upgraded) -> String {
    let Upgraded { from, to, rollback } = upgraded;
    let way_back = match rollback {
        Some(folder) => format!(
            "folder {} has it as it was, for 7 days: to put it back, stop the hub and run \"windfire --data {} \
             rollback\"; reports and changes from now on are lost then",
            folder.display(),
            data.display()
        ),
        None => "nothing is kept of it as it was, so only a backup leads back".to_owned(),
    };
    format!("the store was upgraded from format {from} to {to}, which older hubs refuse; {way_back}")
}

/// Puts the store back as it was before its upgrade. No hub answers on the folder. Returns a text for the operator.
pub(crate) fn rollback(data: &Path) -> Result<String, String> {
    check_is_hubs(data)?;
    check_may_write(data)?;
    let shown = data.display();
    // A hub that starts or stops does not answer on its socket.
    let lock = holder(data).map_err(|error| format!("data folder {shown}: the lock of the store: {error}"))?;
    if let Holder::Process(process) = lock {
        let process = process.map_or("a process elsewhere".to_owned(), |process| format!("process {process}"));
        return Err(format!("{process} has the store in data folder {shown} open: stop it first"));
    }
    let RolledBack { format, contents, undone } = roll_back(data).map_err(|error| error.to_string())?;
    Ok(format!(
        "{shown} has its store of format {format} again, with {} servers: start a hub that knows this format\n{}",
        contents.servers,
        lost(contents, undone)
    ))
}

/// What came since the upgrade.
fn lost(kept: Contents, undone: Result<Contents, String>) -> String {
    match undone {
        Ok(undone) => {
            let commits = undone.commit.saturating_sub(kept.commit);
            let what = if commits == 1 { "commit" } else { "commits" };
            format!(
                "lost: {commits} {what} of reports, and every change of servers, users, tokens and alerts since the \
                 upgrade"
            )
        }
        Err(error) => format!("lost: all reports and changes since the upgrade; they were not counted ({error})"),
    }
}

/// What is kept for a rollback of the data folder.
pub(super) fn line(data: &Path) -> Option<RollbackLine> {
    let kept = kept_rollback(data)?;
    let ends = kept.ends_ms.map(|ms| ms.div_euclid(1000));
    Some(RollbackLine { format: kept.format, bytes: kept.bytes, ends })
}

/// Removes what is kept for a rollback.
pub(super) fn remove(data: &Path) -> Result<(), String> {
    match drop_rollback(data).map_err(|error| explain(&error))? {
        Some(format) => {
            tracing::info!("the store of format {format} is not kept any more: no rollback is possible");
            Ok(())
        }
        None => Err(format!("data folder {} keeps nothing for a rollback: leave --drop-rollback out", data.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn an_upgrade_is_told_with_the_way_back() {
        let data = Path::new("/srv/windfire");
        let mut upgraded = Upgraded { from: 5, to: 6, rollback: Some(PathBuf::from("/srv/windfire/pre-5")) };
        let words = describe_upgrade(data, &upgraded);
        for part in ["from format 5 to 6", "/srv/windfire/pre-5", "windfire --data /srv/windfire rollback", "lost"] {
            assert!(words.contains(part), "{words}");
        }
        upgraded.rollback = None;
        assert!(describe_upgrade(data, &upgraded).ends_with("only a backup leads back"));
    }

    #[test]
    fn what_is_lost_is_counted_where_it_can_be() {
        let kept = Contents { servers: 2, commit: 30, change: 400 };
        assert!(lost(kept, Ok(Contents { commit: 42, ..kept })).starts_with("lost: 12 commits"));
        assert!(lost(kept, Ok(Contents { commit: 0, ..kept })).starts_with("lost: 0 commits"));
        assert!(lost(kept, Err("it is damaged".to_owned())).contains("not counted (it is damaged)"));
    }
}
