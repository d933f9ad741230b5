//! The local socket `admin.sock` in the data folder: who may open the folder may manage the hub.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::time::timeout;
use windfire_engine::{Engine, Options};

use super::{Request, Response, execute};
use crate::limits::{ADMIN_BYTES_MAX, ADMIN_TIMEOUT};
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
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "no admin connection accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        // One after the other: an administrator's commands are few, and changes follow one another anyway.
        if let Err(error) = timeout(ADMIN_TIMEOUT, exchange(stream, &engine, clock)).await.unwrap_or(Ok(())) {
            tracing::debug!(%error, "admin connection ended");
        }
    }
}

async fn exchange(stream: tokio::net::UnixStream, engine: &Engine, clock: Clock) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(ADMIN_BYTES_MAX)).read_line(&mut line).await?;
    let response = match serde_json::from_str::<Request>(&line) {
        Ok(request) => {
            tracing::info!(request = verb(&request), "admin");
            execute(engine, request, clock().div_euclid(1000))
        }
        Err(error) => Response::Failed(format!("not a request this hub knows: {error}")),
    };
    let mut answer = serde_json::to_vec(&response)?;
    answer.push(b'\n');
    write.write_all(&answer).await
}

/// The request's name without what it carries, which may be secret.
fn verb(request: &Request) -> String {
    let text = format!("{request:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// Asks the running hub, or does it on the store itself when none runs.
pub(crate) fn ask(data: &Path, request: Request, now_s: i64) -> Result<Response, String> {
    match UnixStream::connect(path(data)) {
        Ok(stream) => ask_hub(stream, &request).map_err(|error| format!("the running hub: {error}")),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            make_data_folder(data)?;
            let engine = Engine::open(data, Options::default()).map_err(|error| error.to_string())?;
            Ok(execute(&engine, request, now_s))
        }
        Err(error) => Err(format!("admin socket {}: {error}", path(data).display())),
    }
}

fn ask_hub(mut stream: UnixStream, request: &Request) -> io::Result<Response> {
    stream.set_read_timeout(Some(ADMIN_TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(ADMIN_BYTES_MAX)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}
