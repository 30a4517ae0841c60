//! A connection's socket with bounds on how long and how slowly the client may take an answer.

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

/// A socket whose writes fail when the client has used up the [`Patience`]. It reports its progress to the slot.
#[derive(Debug)]
pub(crate) struct Guarded {
    stream: TcpStream,
    slot: Arc<Slot>,
    patience: Patience,
}

/// The time that writes may still wait for the client. It runs only while one does, and what is taken earns more.
#[derive(Debug)]
struct Patience {
    most: Duration,
    left: Duration,
    /// Bytes per second that keep it where it is; without them, any byte renews it.
    rate: Option<NonZeroU64>,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Guarded {
    pub(crate) fn new(stream: TcpStream, slot: Arc<Slot>, options: &Options) -> Self {
        // A client cannot take more than it is sent.
        let sent = options.rate.map_or(u64::MAX, |rate| rate.get() / 2);
        let rate = options.slowest.min(sent);
        Self {
            stream,
            slot,
            patience: Patience::new(options.write_timeout, NonZeroU64::new(rate)),
        }
    }
}

impl Patience {
    fn new(most: Duration, rate: Option<NonZeroU64>) -> Self {
        Self {
            most,
            left: most,
            rate,
            waiting: None,
        }
    }

    /// Passes on what a write of so many bytes gave, unless it has waited too long.
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

impl AsyncRead for Guarded {
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

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.patience.bound(context, polled, |&taken| taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.patience.bound(context, polled, |&taken| taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = polled {
            self.slot.flushed();
        }
        self.patience.bound(context, polled, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.patience.bound(context, polled, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::sleep;

    use super::*;

    /// Writes of `bytes`, each after `pause` of waiting, until one fails; how many were possible of a hundred.
    async fn writes(patience: &mut Patience, bytes: usize, pause: Duration) -> usize {
        for at in 0..100 {
            let mut taken = Box::pin(sleep(pause));
            let write = poll_fn(|context| {
                let polled = taken.as_mut().poll(context).map(|()| Ok(bytes));
                patience.bound(context, polled, |&taken| taken)
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
        let mut patience = Patience::new(MOST, None);
        let second = Duration::from_secs(1);
        assert_eq!(writes(&mut patience, 1, MOST - second).await, 100);
        assert_eq!(writes(&mut patience, 1, MOST + second).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn so_does_a_trickle() {
        let pause = Duration::from_secs(2);
        let patience = || Patience::new(MOST, NonZeroU64::new(2048));
        // At half the rate the patience shrinks by half of the time.
        let possible = writes(&mut patience(), 2048, pause).await;
        assert!((25..35).contains(&possible), "{possible}");
        assert_eq!(writes(&mut patience(), 4097, pause).await, 100);
        // What was taken fast before does not help for ever.
        let mut fast = patience();
        assert_eq!(writes(&mut fast, 1 << 20, Duration::ZERO).await, 100);
        assert!(writes(&mut fast, 2048, pause).await < 35);
    }
}
