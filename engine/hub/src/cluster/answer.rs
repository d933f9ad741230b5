//! The answer of the hub from which another one fetches a backup: the head over HTTP, and the body as it comes.
//!
//! It is bounded in each part, because the other side may be any server.

use std::io::{self, BufRead, BufReader, Read};

use serde_json::Value;

use crate::limits::{JOIN_HEAD_BYTES_MAX, JOIN_TEXT_BYTES_MAX};

/// Characters of a message of the other hub that are shown.
pub(super) const MESSAGE_CHARS_MAX: usize = 300;
/// Bytes of the line before a chunk.
const CHUNK_LINE_BYTES_MAX: u64 = 256;

/// Why an answer has no parcel.
#[derive(Debug)]
pub(super) enum NoParcel {
    Broken(io::Error),
    /// It is not HTTP.
    NoHub,
    Status {
        status: u16,
        message: String,
    },
}

/// Reads the head of an answer. Returns its body.
///
/// # Errors
/// It is not HTTP, does not come whole, or has another status than 200.
pub(super) fn read_head<R: Read>(from: R) -> Result<Body<R>, NoParcel> {
    let mut from = BufReader::new(from);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte).map_err(NoParcel::Broken)?;
        head.extend(byte);
        if head.len() > JOIN_HEAD_BYTES_MAX || !b"HTTP/1.".starts_with(&head[..head.len().min(7)]) {
            return Err(NoParcel::NoHub);
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse::<u16>().ok()).ok_or(NoParcel::NoHub)?;
    let mut left = Left::UntilEnd;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
            left = Left::Chunked { bytes: 0, is_first: true };
        } else if name.eq_ignore_ascii_case("content-length") && matches!(left, Left::UntilEnd) {
            left = Left::Bytes(value.trim().parse::<u64>().map_err(|_| NoParcel::NoHub)?);
        }
    }
    let mut body = Body { from, left };
    if status == 200 {
        return Ok(body);
    }
    let mut text = Vec::new();
    let _as_far_as_it_comes = (&mut body).take(JOIN_TEXT_BYTES_MAX).read_to_end(&mut text);
    let answer = serde_json::from_slice::<Value>(&text).unwrap_or_default();
    let message = answer["message"].as_str().unwrap_or("it does not say why");
    Err(NoParcel::Status { status, message: message.chars().take(MESSAGE_CHARS_MAX).collect() })
}

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Body<R> {
    from: BufReader<R>,
    left: Left,
}

/// What of a body is still to come.
#[derive(Debug)]
enum Left {
    Bytes(u64),
    UntilEnd,
    /// Bytes of the present chunk.
    Chunked {
        bytes: u64,
        is_first: bool,
    },
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunked { bytes: 0, is_first } = self.left {
            let bytes = next_chunk(&mut self.from, is_first)?;
            self.left = if bytes == 0 { Left::Bytes(0) } else { Left::Chunked { bytes, is_first: false } };
        }
        let (Left::Bytes(left) | Left::Chunked { bytes: left, .. }) = &mut self.left else {
            return self.from.read(into);
        };
        let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(into.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.from.read(&mut into[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *left -= read as u64;
        Ok(read)
    }
}

/// Reads what is before a chunk: the end of the one before, and its size. 0 for the end of the body.
fn next_chunk(from: &mut impl BufRead, is_first: bool) -> io::Result<u64> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let mut line = String::new();
    if !is_first {
        from.by_ref().take(2).read_line(&mut line)?;
        if line != "\r\n" {
            return Err(if line.is_empty() { io::ErrorKind::UnexpectedEof.into() } else { wrong() });
        }
        line.clear();
    }
    from.by_ref().take(CHUNK_LINE_BYTES_MAX).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let digits = line.trim_end().split(';').next().unwrap_or_default().trim_end();
    // from_str_radix takes a sign.
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !line.ends_with('\n') || !is_number {
        return Err(wrong());
    }
    u64::from_str_radix(digits, 16).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(answer: &str) -> Result<String, NoParcel> {
        let mut text = String::new();
        read_head(answer.as_bytes())?.read_to_string(&mut text).map_err(NoParcel::Broken)?;
        Ok(text)
    }

    #[test]
    fn a_body_is_read_whichever_way_it_is_sent() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world and more",
            "HTTP/1.0 200 OK\r\n\r\nhello world",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
        ] {
            assert_eq!(body_of(answer).expect(answer), "hello world");
        }
    }

    #[test]
    fn a_body_that_breaks_off_is_no_whole_one() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n";
        let head = chunked.find("\r\n\r\n").expect("there") + 4;
        for end in head..chunked.len() - 3 {
            assert!(matches!(body_of(&chunked[..end]), Err(NoParcel::Broken(_))), "{:?}", &chunked[..end]);
        }
        let short = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello world";
        assert!(matches!(body_of(short), Err(NoParcel::Broken(_))));
        for odd in ["+5\r\nhello", "\r\nhello", "g\r\n", "11111111111111111\r\n", "5\r\nhelloxx6\r\n"] {
            let answer = format!("{}{odd}", &chunked[..head]);
            assert!(matches!(body_of(&answer), Err(NoParcel::Broken(_))), "{odd}");
        }
        let endless = format!("{}{}", &chunked[..head], "0".repeat(100_000));
        assert!(matches!(body_of(&endless), Err(NoParcel::Broken(_))));
    }

    #[test]
    fn what_is_no_hub_is_known_by_its_first_bytes() {
        for answer in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 OK\r\n\r\n", "<html>", "HTTP/2 200 OK\r\n\r\n"] {
            assert!(matches!(body_of(answer), Err(NoParcel::NoHub)), "{answer}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(JOIN_HEAD_BYTES_MAX));
        assert!(matches!(body_of(&endless), Err(NoParcel::NoHub)));
        for part in ["", "HTT", "HTTP/1.1 200 OK\r\nConten"] {
            assert!(matches!(body_of(part), Err(NoParcel::Broken(_))), "a hub that stops: {part}");
        }
    }
}
