//! A client's socket, with a deadline for bytes that the client does not take.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connections::Slot;
use crate::limits::{HTTP_BYTES_PER_MINUTE_MIN, HTTP_WRITE_TIMEOUT};

/// Time in which a client must take [`HTTP_BYTES_PER_MINUTE_MIN`]. It counts only while bytes wait for the client.
const MINUTE: Duration = Duration::from_secs(60);

/// A stream whose writes fail when the client takes nothing for [`HTTP_WRITE_TIMEOUT`], or next to nothing for one
/// minute. It holds the connection's slot.
pub(super) struct ClientIo<S> {
    stream: S,
    slot: Slot,
    patience: Patience,
}

/// The time for which a client has let bytes wait.
#[derive(Default)]
struct Patience {
    /// The time since which bytes wait.
    waiting_since: Option<Instant>,
    /// Time that they waited before that, since `taken` began.
    waited: Duration,
    /// Bytes taken since the last time that there were enough of them.
    taken: usize,
    end: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Must be called while bytes wait. Ready with an error when they have waited too long.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let waited = self.waited;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep_until(Instant::now())));
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            end.as_mut().reset(now + HTTP_WRITE_TIMEOUT.min(MINUTE.saturating_sub(waited)));
        }
        ready!(end.as_mut().poll(context));
        let taken = self.taken;
        Poll::Ready(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the client let bytes wait too long: it took {taken} in the last minute of waiting"),
        ))
    }

    fn took(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        self.taken += bytes;
        if self.taken >= HTTP_BYTES_PER_MINUTE_MIN {
            (self.taken, self.waited) = (0, Duration::ZERO);
        }
    }
}

impl<S> ClientIo<S> {
    pub(super) fn new(stream: S, slot: Slot) -> Self {
        Self { stream, slot, patience: Patience::default() }
    }

    fn written(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.patience.wait(context).map(|too_long| {
                self.slot.count_unread();
                Err(too_long)
            }),
            Poll::Ready(Ok(bytes)) => {
                self.patience.took(bytes);
                self.slot.connection.progressed();
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A socket that is read and written here, and looked at elsewhere.
pub(super) struct Tcp(pub(super) Arc<TcpStream>);

impl AsyncRead for Tcp {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Tcp {
    fn poll_try(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match write(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_try(context, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_try(context, |socket| socket.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::sleep;

    use super::*;
    use crate::http::connections::Connections;

    const PIPE_BYTES: usize = 64 * 1024;

    /// Writes so many bytes to a client that takes `bytes` every `interval`. Returns how it ended, and how long it
    /// took.
    async fn write(all: usize, bytes: usize, interval: Duration) -> (io::Result<()>, Duration) {
        let slot = Connections::new(1, Arc::default()).enter([127, 0, 0, 1].into(), std::sync::Weak::new()).await;
        let (ours, mut theirs) = duplex(PIPE_BYTES);
        let mut ours = ClientIo::new(ours, slot);
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; bytes];
            loop {
                sleep(interval).await;
                if bytes > 0 && theirs.read(&mut buffer).await.is_ok_and(|read| read == 0) {
                    return;
                }
            }
        });
        let begun = Instant::now();
        let ended = ours.write_all(&vec![0; all]).await;
        reading.abort();
        (ended, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_off() {
        let (ended, took) = write(1 << 20, 0, Duration::from_secs(1)).await;
        assert_eq!(ended.expect_err("cut").kind(), io::ErrorKind::TimedOut);
        assert_eq!(took.as_secs(), HTTP_WRITE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_byte_now_and_then_is_cut_off() {
        let (ended, took) = write(1 << 20, 1, Duration::from_secs(20)).await;
        assert_eq!(ended.expect_err("cut").kind(), io::ErrorKind::TimedOut);
        assert_eq!(took.as_secs(), MINUTE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_gets_everything() {
        // 9.6 kbit/s for more than an hour.
        let (ended, took) = write(5 << 20, 1200, Duration::from_secs(1)).await;
        ended.expect("everything was taken");
        assert!(took > Duration::from_secs(3600), "{took:?}");
        // And one that pauses for half a minute, again and again.
        write(5 << 20, 32 * 1024, Duration::from_secs(29)).await.0.expect("everything was taken");
    }
}
