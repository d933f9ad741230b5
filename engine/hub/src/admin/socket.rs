//! The local socket `admin.sock` in the data folder. A user who may open the folder may manage the hub.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use windfire_api::Agents;
use windfire_engine::Engine;

use super::{HandOver, Hub, ReloadFn, Request, Response, Running, execute};
use crate::clock::Clock;
use crate::cluster::State;
use crate::limits::{
    ADMIN_BYTES_MAX, ADMIN_CONNECTIONS_MAX, ADMIN_MEANWHILE_TIMEOUT, ADMIN_SIGN_INTERVAL, ADMIN_SILENCE_MAX,
    ADMIN_TIMEOUT,
};
use crate::progress::Progress;
use crate::threads::runtime;

const FILE: &str = "admin.sock";
/// Bytes that the path of a socket may have on this system.
const PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// Where Linux shows the open files of a process: a folder that is open has a short path there.
const OPEN_FILES: &str = "/proc/self/fd";

pub(super) fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// The socket's path, short enough for a system call. It is valid while the second value, an open file, exists.
fn short_path(data: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = path(data);
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok((path, None));
    }
    let folder = File::open(data)?;
    Ok((Path::new(OPEN_FILES).join(folder.as_raw_fd().to_string()).join(FILE), Some(folder)))
}

/// Refuses a data folder whose path is too long for a socket in it, before anything is opened.
pub(crate) fn check_path(data: &Path) -> Result<(), String> {
    let bytes = path(data).as_os_str().len();
    if bytes <= PATH_BYTES_MAX || Path::new(OPEN_FILES).is_dir() {
        return Ok(());
    }
    Err(format!(
        "data folder {}: the path of its admin socket has {bytes} bytes, and at most {PATH_BYTES_MAX} are allowed: \
         name a folder with a shorter path",
        data.display()
    ))
}

/// Binds the socket. The caller holds the store's lock, so a socket file that exists was left by a hub that has ended.
pub(crate) fn bind(data: &Path) -> Result<std::os::unix::net::UnixListener, String> {
    let bind = || {
        let (path, _folder) = short_path(data)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|error| format!("admin socket {}: {error}", path(data).display()))
}

/// Removes the socket: this hub no longer answers there.
pub(crate) fn unbind(data: &Path) {
    let _gone_already = fs::remove_file(path(data));
}

/// A connection to the hub that runs on the folder. Fails if the hub does not accept it in time.
pub(super) fn connect(data: &Path) -> io::Result<UnixStream> {
    let (path, _folder) = short_path(data)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(ADMIN_SILENCE_MAX))?;
    socket.set_read_timeout(Some(ADMIN_SILENCE_MAX))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}

/// Whether a hub runs on the folder.
pub(crate) fn is_answered(data: &Path) -> bool {
    connect(data).is_ok()
}

/// The hub that answers.
pub(crate) struct Answering {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Clock,
    /// How it stands in its cluster. `None` if it is alone.
    pub(crate) cluster: Option<Arc<State>>,
    /// Where the first password was written, if that is configured.
    pub(crate) first_password_file: Option<PathBuf>,
    /// Reads the configuration again.
    pub(crate) reload: Arc<ReloadFn>,
    /// What it hands over to hubs that join.
    pub(crate) hand_over: Arc<HandOver>,
}

/// Answers the command line until dropped.
pub(crate) async fn serve(
    listener: std::os::unix::net::UnixListener,
    data: PathBuf,
    answering: Answering,
    agents: impl Fn() -> Agents,
) -> Result<(), String> {
    let Answering { engine, clock, cluster, first_password_file, reload, hand_over } = answering;
    let listener = UnixListener::from_std(listener).map_err(|error| format!("admin socket: {error}"))?;
    let room = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        // Never closed.
        let permit = Arc::clone(&room).acquire_owned().await;
        let stream = match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin connection not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let (data, engine, now_ms, agents) = (data.clone(), Arc::clone(&engine), clock(), agents());
        let (first_password_file, reload) = (first_password_file.clone(), Arc::clone(&reload));
        let (cluster, hand_over) = (cluster.clone(), Arc::clone(&hand_over));
        // Its own thread, because a backup or an export takes long.
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let first_password_file = first_password_file.as_deref();
            let invitations = &hand_over.invitations;
            let running = Some(Running { reload: &*reload, cluster: cluster.as_deref(), invitations });
            let hub = Hub { engine: &engine, data: &data, agents: &agents, now_ms, first_password_file, running };
            if let Err(error) = exchange(&stream, &hub) {
                tracing::debug!(%error, "admin connection ended");
            }
        });
    }
}

/// Answers the command line while the hub starts: that it is starting, and how far it is.
pub(crate) struct Meanwhile(Option<(oneshot::Sender<()>, Answers)>);

/// The thread. It returns the socket.
type Answers = thread::JoinHandle<Option<std::os::unix::net::UnixListener>>;

impl Meanwhile {
    /// Answers on its own thread, one request after the other.
    pub(crate) fn answer(
        listener: std::os::unix::net::UnixListener,
        data: PathBuf,
        progress: Arc<Progress>,
    ) -> Result<Self, String> {
        let (over, mut is_over) = oneshot::channel();
        let answers = move || {
            runtime().ok()?.block_on(async {
                let listener = UnixListener::from_std(listener).ok()?;
                loop {
                    let accepted = tokio::select! {
                        _ = &mut is_over => return listener.into_std().ok(),
                        accepted = listener.accept() => accepted,
                    };
                    let Ok((stream, _)) = accepted else { return None };
                    let words = format!(
                        "the hub of data folder {} is starting ({}): try again in a moment",
                        data.display(),
                        progress.words()
                    );
                    // A client that does not send or read must not hold up the others, nor the start.
                    let _heard = timeout(ADMIN_MEANWHILE_TIMEOUT, put_off(stream, words)).await;
                }
            })
        };
        let named = thread::Builder::new().name("admin".to_owned());
        let thread = named.spawn(answers).map_err(|error| format!("a thread cannot be started: {error}"))?;
        Ok(Self(Some((over, thread))))
    }

    /// Returns the socket. Clients that have connected wait in its queue.
    pub(crate) fn end(mut self) -> Option<std::os::unix::net::UnixListener> {
        self.stop()
    }

    fn stop(&mut self) -> Option<std::os::unix::net::UnixListener> {
        let (over, thread) = self.0.take()?;
        drop(over);
        thread.join().ok().flatten()
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        let _nobody_answers_there_any_more = self.stop();
    }
}

/// Reads a request, and answers that it cannot be done now.
async fn put_off(mut stream: tokio::net::UnixStream, words: String) -> io::Result<()> {
    let mut bytes = [0; 1024];
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 || bytes[..count].contains(&b'\n') {
            break;
        }
    }
    let mut line = serde_json::to_vec(&Response::Failed(words))?;
    line.push(b'\n');
    stream.write_all(&line).await
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
            if matches!(request, Request::Export { .. }) {
                execute(hub, request, &mut out)
            } else {
                with_signs_of_life(stream, || execute(hub, request, &mut io::sink()))
            }
        }
        Err(error) => Response::Failed(format!("this hub does not know the request: {error}")),
    };
    // The result follows the rows, on a line that cannot be mistaken for a row.
    say(&mut out, &response)
}

/// Runs `work` and sends a space now and then. A space before an answer has no meaning, but shows the client that the
/// hub is working.
fn with_signs_of_life<T>(mut stream: &UnixStream, work: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    let signs = move || {
        while waiting.recv_timeout(ADMIN_SIGN_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
            // The client may be gone. Its request is carried out anyway.
            let _is_heard = stream.write_all(b" ");
        }
    };
    thread::scope(|scope| {
        let _works_without = thread::Builder::new().spawn_scoped(scope, signs);
        let result = work();
        drop(done);
        result
    })
}

fn say(out: &mut impl Write, response: &Response) -> io::Result<()> {
    serde_json::to_writer(&mut *out, response)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The request's name without its values, which may be secret.
fn verb(request: &Request) -> String {
    if let Request::Api { method, path, .. } = request {
        return format!("{method} {path}");
    }
    let text = format!("{request:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}
