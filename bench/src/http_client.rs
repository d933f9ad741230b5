//! HTTP over one connection that is kept, for measurements: requests cost little, and every byte is counted.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Time for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One connection, opened when it is first needed and again after a failure.
pub struct HttpClient {
    address: SocketAddr,
    /// Sent with every request.
    headers: String,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The `ETag`, if there was one.
    pub tag: Option<String>,
    /// Bytes of the body.
    pub bytes: u64,
}

impl HttpClient {
    /// A client of that address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, headers: String::new(), connection: None }
    }

    /// The same client, with a header in every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// `GET`. The body is counted and not kept. `known` is an ETag: the body is only sent if it changed.
    ///
    /// # Errors
    /// No connection, or no HTTP.
    pub fn get(&mut self, path: &str, known: Option<&str>) -> io::Result<Answer> {
        let condition = known.map(|tag| format!("If-None-Match: {tag}\r\n")).unwrap_or_default();
        self.exchange("GET", path, &condition, b"", &mut io::sink())
    }

    /// `GET` of something that is read.
    ///
    /// # Errors
    /// No connection, no HTTP, or no 200.
    pub fn read(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        match self.exchange("GET", path, "", b"", &mut body)?.status {
            200 => Ok(body),
            status => Err(io::Error::other(format!("{path}: status {status}: {}", String::from_utf8_lossy(&body)))),
        }
    }

    /// `POST`.
    ///
    /// # Errors
    /// No connection, or no HTTP.
    pub fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        self.exchange("POST", path, &format!("Content-Length: {}\r\n", body.len()), body, &mut io::sink())
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
        into: &mut dyn Write,
    ) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                BufReader::with_capacity(256 * 1024, stream)
            }
        };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: hub\r\n{}{headers}\r\n", self.headers);
        connection.get_mut().write_all(head.as_bytes())?;
        connection.get_mut().write_all(body)?;
        let answer = read_answer(&mut connection, into)?;
        // Only a connection whose answer was read to its end may be used again.
        self.connection = Some(connection);
        Ok(answer)
    }
}

fn read_answer(connection: &mut impl BufRead, into: &mut dyn Write) -> io::Result<Answer> {
    let broken = || io::Error::other("not an HTTP answer");
    let mut line = String::new();
    let mut next = |connection: &mut dyn BufRead| {
        line.clear();
        connection.read_line(&mut line)?;
        Ok::<String, io::Error>(line.trim_end().to_owned())
    };
    let status = next(connection)?.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let (mut length, mut is_chunked, mut tag) = (0, false, None);
    loop {
        let header = next(connection)?;
        let Some((name, value)) = header.split_once(':') else { break };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => length = value.parse().map_err(|_| broken())?,
            ("transfer-encoding", "chunked") => is_chunked = true,
            ("etag", value) => tag = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut bytes = 0;
    if is_chunked {
        loop {
            let size = next(connection)?;
            let size = u64::from_str_radix(size.split(';').next().unwrap_or(""), 16).map_err(|_| broken())?;
            bytes += size;
            copy(connection, size, into)?;
            copy(connection, 2, &mut io::sink())?;
            if size == 0 {
                break;
            }
        }
    } else if status != 304 {
        bytes = length;
        copy(connection, length, into)?;
    }
    Ok(Answer { status, tag, bytes })
}

fn copy(connection: &mut impl BufRead, mut bytes: u64, into: &mut dyn Write) -> io::Result<()> {
    while bytes > 0 {
        let there = connection.fill_buf()?;
        if there.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let taken = there.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        into.write_all(&there[..taken])?;
        connection.consume(taken);
        bytes -= taken as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_to_their_end_and_no_further() {
        let mut bytes = &b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
            HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokrest"[..];
        let mut bodies = Vec::new();
        let mut read = || read_answer(&mut bytes, &mut bodies).map(|answer| (answer.status, answer.bytes));
        let read: Vec<(u16, u64)> = (0..3).map(|_| read().expect("whole")).collect();
        assert_eq!((read, bytes), (vec![(200, 3), (304, 0), (200, 2)], &b"rest"[..]));
        assert_eq!(bodies, b"abcok");
    }
}
