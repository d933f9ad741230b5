//! The local socket `admin.sock` in the data folder: who may open the folder may manage the hub.

use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use windfire_engine::{Engine, Options};

use super::{Hub, Request, Response, execute};
use crate::limits::{ADMIN_BYTES_MAX, ADMIN_CONNECTIONS_MAX, ADMIN_TIMEOUT};
use crate::serve::{Clock, make_data_folder};

fn path(data: &Path) -> PathBuf {
    data.join("admin.sock")
}

/// The socket, bound. The caller holds the store's lock, so a file found here is a dead hub's.
pub(crate) fn bind(data: &Path) -> Result<std::os::unix::net::UnixListener, String> {
    let path = path(data);
    let bind = || {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|error| format!("admin socket {}: {error}", path.display()))
}

/// Answers the command line until dropped.
pub(crate) async fn serve(data: PathBuf, engine: Arc<Engine>, clock: Clock) -> Result<(), String> {
    let listener = bind(&data)?;
    let listener = UnixListener::from_std(listener).map_err(|error| format!("admin socket: {error}"))?;
    let room = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        // Never closed.
        let permit = Arc::clone(&room).acquire_owned().await;
        let stream = match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "no admin connection accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let (data, engine, now_ms) = (data.clone(), Arc::clone(&engine), clock());
        // A thread of its own, because a backup or an export takes its time.
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let hub = Hub { engine: &engine, data: &data, now_ms };
            if let Err(error) = exchange(&stream, &hub) {
                tracing::debug!(%error, "admin connection ended");
            }
        });
    }
}

fn exchange(stream: &UnixStream, hub: &Hub<'_>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(ADMIN_TIMEOUT))?;
    stream.set_write_timeout(Some(ADMIN_TIMEOUT))?;
    let mut line = String::new();
    BufReader::new(stream.take(ADMIN_BYTES_MAX)).read_line(&mut line)?;
    let mut out = BufWriter::new(stream);
    let response = match serde_json::from_str::<Request>(&line) {
        Ok(request) => {
            tracing::info!(request = verb(&request), "admin");
            if matches!(request, Request::Export { .. }) {
                say(&mut out, &Response::Rows)?;
            }
            execute(hub, request, &mut out)
        }
        Err(error) => Response::Failed(format!("not a request this hub knows: {error}")),
    };
    // After rows comes how it ended, on a line that begins as no row does.
    say(&mut out, &response)
}

fn say(out: &mut impl Write, response: &Response) -> io::Result<()> {
    serde_json::to_writer(&mut *out, response)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The request's name without what it carries, which may be secret.
fn verb(request: &Request) -> String {
    let text = format!("{request:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// Asks the running hub, or does it on the store itself when none runs. Rows of an export go to `out`.
pub(crate) fn ask(
    data: &Path,
    options: Options,
    request: Request,
    now_ms: i64,
    out: &mut dyn Write,
) -> Result<Response, String> {
    match UnixStream::connect(path(data)) {
        Ok(stream) => ask_hub(stream, &request, out).map_err(|error| format!("the running hub: {error}")),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            make_data_folder(data)?;
            let engine = Engine::open(data, options).map_err(|error| error.to_string())?;
            Ok(execute(&Hub { engine: &engine, data, now_ms }, request, out))
        }
        Err(error) => Err(format!("admin socket {}: {error}", path(data).display())),
    }
}

fn ask_hub(mut stream: UnixStream, request: &Request, out: &mut dyn Write) -> io::Result<Response> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    (&mut answer).take(ADMIN_BYTES_MAX).read_line(&mut line)?;
    let first = serde_json::from_str(&line)?;
    if !matches!(first, Response::Rows) {
        return Ok(first);
    }
    // Rows are passed on as they come; the last line is held back, because it says how it ended.
    let mut held = String::new();
    loop {
        line.clear();
        if (&mut answer).take(ADMIN_BYTES_MAX).read_line(&mut line)? == 0 {
            out.flush()?;
            return Ok(serde_json::from_str(&held)?);
        }
        match out.write_all(held.as_bytes()) {
            // Whoever reads has enough, as "head" does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Response::Done),
            result => result?,
        }
        std::mem::swap(&mut held, &mut line);
    }
}
