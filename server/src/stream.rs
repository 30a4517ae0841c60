//! A connection's socket that bounds how long and how slowly the client may read an answer.

use std::io;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::options::Options;
use crate::slots::Slot;

/// A socket whose writes fail once the client has used up its [`WaitAllowance`]. It reports its progress to the slot.
#[derive(Debug)]
pub(crate) struct TimedStream {
    stream: TcpStream,
    slot: Arc<Slot>,
    allowance: WaitAllowance,
}

/// The time that writes may still wait for the client. It is spent only while a write waits; bytes that the client
/// takes add to it.
#[derive(Debug)]
struct WaitAllowance {
    most: Duration,
    left: Duration,
    /// Bytes per second that balance the time spent waiting; `None`: any byte restores all of it.
    rate: Option<NonZeroU64>,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl TimedStream {
    pub(crate) fn new(stream: TcpStream, slot: Arc<Slot>, options: &Options) -> Self {
        // A client cannot take bytes faster than the server sends them.
        let sent = options.rate.map_or(u64::MAX, |rate| rate.get() / 2);
        let rate = options.slowest.min(sent);
        Self {
            stream,
            slot,
            allowance: WaitAllowance::new(options.write_timeout, NonZeroU64::new(rate)),
        }
    }
}

impl WaitAllowance {
    fn new(most: Duration, rate: Option<NonZeroU64>) -> Self {
        Self {
            most,
            left: most,
            rate,
            waiting: None,
        }
    }

    /// Passes on the result of a write unless the client has used up the allowance; `taken` gives the bytes written.
    fn bound<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        taken: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = polled {
            if let Some((since, _)) = self.waiting.take() {
                self.left = self.left.saturating_sub(since.elapsed());
            }
            self.earn(result.as_ref().map_or(0, taken));
            return Poll::Ready(result);
        }
        let left = self.left;
        let start = || (Instant::now(), Box::pin(sleep(left)));
        let (_, waiting) = self.waiting.get_or_insert_with(start);
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn earn(&mut self, bytes: usize) {
        let earned = match self.rate {
            None if bytes > 0 => self.most,
            None => Duration::ZERO,
            Some(rate) => {
                let milliseconds = (bytes as u64).saturating_mul(1000) / rate;
                Duration::from_millis(milliseconds)
            }
        };
        self.left = self.left.saturating_add(earned).min(self.most);
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.slot.bytes_received();
        }
        polled
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.allowance.bound(context, polled, |&taken| taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.allowance.bound(context, polled, |&taken| taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = polled {
            self.slot.flushed();
        }
        self.allowance.bound(context, polled, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.allowance.bound(context, polled, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::sleep;

    use super::*;

    /// Makes up to a hundred writes of `bytes`, each after waiting for `pause`; returns how many succeeded.
    async fn writes(allowance: &mut WaitAllowance, bytes: usize, pause: Duration) -> usize {
        for at in 0..100 {
            let mut taken = Box::pin(sleep(pause));
            let write = poll_fn(|context| {
                let polled = taken.as_mut().poll(context).map(|()| Ok(bytes));
                allowance.bound(context, polled, |&taken| taken)
            });
            if write.await.is_err() {
                return at;
            }
        }
        100
    }

    const MOST: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_stall_ends_it() {
        let mut allowance = WaitAllowance::new(MOST, None);
        let second = Duration::from_secs(1);
        assert_eq!(writes(&mut allowance, 1, MOST - second).await, 100);
        assert_eq!(writes(&mut allowance, 1, MOST + second).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn so_does_a_trickle() {
        let pause = Duration::from_secs(2);
        let allowance = || WaitAllowance::new(MOST, NonZeroU64::new(2048));
        // At half the rate, the allowance shrinks by half of each pause.
        let possible = writes(&mut allowance(), 2048, pause).await;
        assert!((25..35).contains(&possible), "{possible}");
        assert_eq!(writes(&mut allowance(), 4097, pause).await, 100);
        // A fast start does not pay for unlimited slowness.
        let mut fast = allowance();
        assert_eq!(writes(&mut fast, 1 << 20, Duration::ZERO).await, 100);
        assert!(writes(&mut fast, 2048, pause).await < 35);
    }
}
