//! A mail server that answers as it is told, and keeps the conversation.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::acceptor;

/// How its conversations are secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secured {
    Never,
    /// It goes over to TLS when told.
    Later,
    /// TLS from the beginning.
    AtOnce,
}

/// A mail server that runs.
pub(crate) struct Smtp {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: Vec<u8>,
    lines: Arc<Mutex<Vec<String>>>,
}

/// What it says in place of the usual, by the beginnings of commands; `.` is the end of a mail.
type Answers = &'static [(&'static str, &'static str)];

impl Smtp {
    pub(crate) async fn new(secured: Secured, answers: Answers) -> Self {
        let (tls, certificate) = acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, tls) = (Arc::clone(&kept), tls.clone());
                tokio::spawn(async move { converse(stream, secured, answers, &tls, &kept).await });
            }
        });
        Self { address, certificate, lines }
    }

    /// All lines that it was sent.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no test has failed").clone()
    }

    /// All lines, once that one is the last. Who sends a mail does not wait long for the end of the conversation.
    pub(crate) async fn lines_until(&self, last: &str) -> Vec<String> {
        let is_last = async {
            while self.lines().last().is_none_or(|line| line != last) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = timeout(Duration::from_secs(60), is_last).await;
        assert!(in_time.is_ok(), "{last:?} is not the last line: {:?}", self.lines());
        self.lines()
    }

    /// The lines that begin so.
    pub(crate) fn lines_with(&self, start: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.starts_with(start)).collect()
    }

    /// A header of the only mail.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let found = self.lines_with(&format!("{name}: "));
        assert!(found.len() <= 1, "{found:?}");
        found.first().and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
    }
}

async fn converse(stream: TcpStream, secured: Secured, answers: Answers, tls: &TlsAcceptor, kept: &Mutex<Vec<String>>) {
    if secured == Secured::AtOnce {
        match tls.accept(stream).await {
            Ok(stream) => drop(talk(stream, secured, true, answers, kept).await),
            Err(error) => println!("the mail server: no TLS: {error}"),
        }
        return;
    }
    let Some(stream) = talk(stream, secured, true, answers, kept).await else { return };
    match tls.accept(stream).await {
        Ok(stream) => drop(talk(stream, Secured::Never, false, answers, kept).await),
        Err(error) => println!("the mail server: no TLS: {error}"),
    }
}

/// Talks until the end, or until the stream is to go over to TLS: it is returned then.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    secured: Secured,
    greets: bool,
    answers: Answers,
    kept: &Mutex<Vec<String>>,
) -> Option<S> {
    let say = |command: &str, usual: &str| {
        let other = answers.iter().find(|(start, _)| !start.is_empty() && command.starts_with(start));
        format!("{}\r\n", other.map_or(usual, |(_, answer)| *answer))
    };
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(say("greeting", "220 fake ESMTP").as_bytes()).await.ok()?;
    }
    let mut is_mail = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        kept.lock().expect("no test has failed").push(line.clone());
        let answer = match line.split(' ').next().unwrap_or_default() {
            "." if is_mail => {
                is_mail = false;
                say(&line, "250 2.0.0 taken")
            }
            _ if is_mail => continue,
            "EHLO" => {
                let more = if secured == Secured::Later { "250-STARTTLS\r\n" } else { "" };
                say(&line, &format!("250-fake\r\n{more}250-AUTH PLAIN LOGIN\r\n250 8BITMIME"))
            }
            "AUTH" => say(&line, "235 2.7.0 welcome"),
            "DATA" => {
                let answer = say(&line, "354 go on");
                is_mail = answer.starts_with("354");
                answer
            }
            "QUIT" => say(&line, "221 bye"),
            "STARTTLS" => say(&line, "220 now"),
            _ => say(&line, "250 fine"),
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        if line == "STARTTLS" && answer.starts_with("220") {
            return Some(stream.into_inner());
        }
        if line == "QUIT" {
            return None;
        }
    }
}
