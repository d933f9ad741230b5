//! Sends a request to the running hub. If no hub runs, the store answers.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use windfire_api::Agents;
use windfire_engine::alert::state::AlertTime;
use windfire_engine::{Engine, Options, StoreError};

use super::socket::{connect, path};
use super::{Hub, Request, Response, backup, begin_rules, cluster, describe_upgrade, execute, no_hub_to_reload};
use crate::folder::{check_is_hubs, explain};
use crate::limits::{ADMIN_BYTES_MAX, ADMIN_SILENCE_MAX, START_QUIET, START_SIGN_INTERVAL};
use crate::output::complain;
use crate::starting::Starting;
use crate::user::check_may_write;

/// Asks the running hub. If none runs, carries the request out on the store, with `agents` as the hub's. Rows of an
/// export go to `out`.
pub(crate) fn ask(
    data: &Path,
    first_password_file: Option<&Path>,
    options: Options,
    agents: impl FnOnce() -> Agents,
    request: Request,
    now_ms: i64,
    out: &mut dyn Write,
) -> Result<Response, String> {
    match connect(data) {
        Ok(stream) => {
            let answer = ask_hub(stream, &request, out);
            let answer = answer.map_err(|error| format!("the running hub: {}", words(&error)))?;
            check_is_seen(&request, &answer)?;
            Ok(answer)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            check_is_hubs(data)?;
            if matches!(request, Request::Reload) {
                return Err(no_hub_to_reload(data));
            }
            if matches!(request, Request::Cluster | Request::Invite) {
                return Err(cluster::no_hub(data));
            }
            if matches!(request, Request::Verify) && backup::is_backup(data) {
                return Ok(backup::verify(data).map_or_else(Response::Failed, Response::Verified));
            }
            if backup::is_backup(data) {
                let data = data.display();
                return Err(format!(
                    "{data} is a backup, and this request would change it: restore it into another folder"
                ));
            }
            check_may_write(data)?;
            let is_member = crate::cluster::is_member(data);
            if is_member && changes_the_registry(&request) {
                return Err(format!(
                    "data folder {} belongs to a cluster, and all its hubs share what this would change: start the \
                     hub, or ask another one",
                    data.display()
                ));
            }
            let starting = Starting::new(START_QUIET, START_SIGN_INTERVAL, |words| {
                complain(&format!("no hub runs, so the store is read: {words}"));
            });
            let options = Options { on_replay: Some(starting.listener()), ..options };
            let engine = Engine::open(data, options).map_err(|error| match error {
                StoreError::Locked { folder } => format!(
                    "a hub has data folder {} open and does not answer yet: it is starting or stopping; try again in a moment",
                    folder.display()
                ),
                error => explain(&error),
            })?;
            drop(starting);
            if let Some(upgraded) = engine.upgraded() {
                complain(&describe_upgrade(data, upgraded));
            }
            let engine = Arc::new(engine);
            if matches!(request, Request::Api { .. }) {
                // As at a start of the hub: a verb sees the same rules before and after the first one.
                if !is_member {
                    begin_rules(&engine, now_ms.div_euclid(1000));
                }
                // The clock that never leaps is only read by passes.
                engine.alerts().resume(AlertTime { now_ms, uptime_ms: now_ms });
            }
            let agents = agents();
            let hub = Hub { engine: &engine, data, agents: &agents, now_ms, first_password_file, running: None };
            Ok(execute(&hub, request, out))
        }
        Err(error) => Err(format!("admin socket {}: {}", path(data).display(), words(&error))),
    }
}

/// Asks the running hub and nothing else: the store of a stopped one is not opened, because that may change it. `None`
/// if none runs.
pub(crate) fn ask_running(data: &Path, request: &Request) -> Result<Option<Response>, String> {
    match connect(data) {
        Ok(stream) => ask_hub(stream, request, &mut io::sink()).map(Some).map_err(|error| words(&error)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(format!("admin socket {}: {}", path(data).display(), words(&error))),
    }
}

/// Whether a request may change servers, tokens, users or rules.
fn changes_the_registry(request: &Request) -> bool {
    match request {
        Request::Api { method, path, .. } => method != "GET" && !path.ends_with("/preview"),
        Request::Password { .. } => true,
        _ => false,
    }
}

/// Refuses a backup that the running hub has written to a folder that only the hub sees. A unit may give it a /tmp of its
/// own, which is gone when the hub stops.
fn check_is_seen(request: &Request, answer: &Response) -> Result<(), String> {
    match (request, answer) {
        (Request::Backup { folder }, Response::Done) if !backup::is_backup(folder) => Err(format!(
            "the running hub wrote backup {}, but here is none: the hub's service or container has other folders. \
             Name one that is the same for both; a unit with PrivateTmp= has its own /tmp",
            folder.display()
        )),
        _ => Ok(()),
    }
}

/// The meaning of a failed exchange.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!(
            "the hub does not answer (waited {} s): is it stopped, busy with other requests, or out of file \
             descriptors? The request may still be carried out",
            ADMIN_SILENCE_MAX.as_secs()
        ),
        io::ErrorKind::UnexpectedEof => "it ended without an answer: the request may be done or not".to_owned(),
        _ => error.to_string(),
    }
}

fn ask_hub(mut stream: UnixStream, request: &Request, out: &mut dyn Write) -> io::Result<Response> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    if (&mut answer).take(ADMIN_BYTES_MAX).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let first = serde_json::from_str(&line)?;
    if !matches!(first, Response::Rows) {
        return Ok(first);
    }
    // The hub is working. Hours without a row may take some time.
    answer.get_ref().set_read_timeout(None)?;
    // Rows are passed on as they come. The last line is held back, because it is the result and not a row.
    let mut held = String::new();
    loop {
        line.clear();
        if (&mut answer).take(ADMIN_BYTES_MAX).read_line(&mut line)? == 0 {
            let end = serde_json::from_str(&held).map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
            out.flush()?;
            return Ok(end);
        }
        out.write_all(held.as_bytes())?;
        std::mem::swap(&mut held, &mut line);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_hub_of_a_cluster_that_does_not_run_answers_and_changes_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        drop(Engine::open(&data, Options::default()).expect("a new store"));
        let ask_for = |method: &str| {
            let (path, body) = ("/api/v1/manage/server".to_owned(), Some(serde_json::json!({"name": "a"})));
            let method = method.to_owned();
            let request = Request::Api { method, path, body, expires_days: None, lasts_minutes: None };
            ask(&data, None, Options::default(), Agents::default, request, 0, &mut io::sink())
        };
        let made = ask_for("POST").expect("alone");
        assert!(matches!(made, Response::Api { status: 200, .. }), "{made:?}");
        fs::write(data.join(crate::cluster::MEMBERSHIP_FILE), "0123\n").expect("written");
        let refused = ask_for("POST").expect_err("refused");
        assert!(refused.contains("start the hub"), "{refused}");
        let read = ask_for("GET").expect("readers are answered");
        assert!(matches!(read, Response::Api { status: 200, .. }), "{read:?}");
    }

    #[test]
    fn a_backup_that_only_the_hub_sees_is_no_success() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let request = Request::Backup { folder: folder.path().to_owned() };
        let error = check_is_seen(&request, &Response::Done).expect_err("refused");
        assert!(error.contains(&folder.path().display().to_string()) && error.contains("PrivateTmp"), "{error}");
        assert_eq!(check_is_seen(&request, &Response::Failed("it has its own words".to_owned())), Ok(()));
        assert_eq!(check_is_seen(&Request::Verify, &Response::Done), Ok(()));
        fs::write(folder.path().join("BACKUP"), "").expect("written");
        assert_eq!(check_is_seen(&request, &Response::Done), Ok(()));
    }
}
