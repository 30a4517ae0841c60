//! Bodies of answers: pieces of memory and of files, at the pace of the connection.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Bytes read from a file, or sent at a pace, at once at most.
const CHUNK: usize = 64 << 10;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What an answer is made from. Clones share the bytes.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Memory(Bytes),
    /// An open file, too large to be held.
    File(Arc<Source>),
}

/// A file as it was when it was opened. It belongs to one answer, whose pieces are read one after
/// the other, so that its position is nobody else's.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: File,
    pub(crate) length: u64,
    pub(crate) modified: Option<SystemTime>,
}

/// A part of an answer.
#[derive(Debug)]
pub(crate) enum Segment {
    Memory(Bytes),
    File {
        file: Arc<Source>,
        range: Range<u64>,
    },
}

impl Content {
    /// The part of it that `range` names, which is within it.
    pub(crate) fn segment(&self, range: Range<u64>) -> Segment {
        match self {
            Self::Memory(bytes) => {
                let at = |offset: u64| {
                    usize::try_from(offset)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len())
                };
                let (start, end) = (at(range.start), at(range.end));
                Segment::Memory(bytes.slice(start.min(end)..end))
            }
            Self::File(file) => Segment::File {
                file: Arc::clone(file),
                range,
            },
        }
    }
}

/// How fast one connection may be sent bytes: evenly, in pieces of a twentieth of a second.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: NonZeroU64,
    /// When the next piece is due.
    next: Mutex<Instant>,
}

impl Pacer {
    pub(crate) fn new(rate: NonZeroU64) -> Self {
        Self {
            rate,
            next: Mutex::new(Instant::now()),
        }
    }

    fn piece(&self) -> usize {
        let piece = usize::try_from(self.rate.get() / 20).unwrap_or(CHUNK);
        piece.clamp(1, CHUNK)
    }

    /// Waits until `bytes` may be sent.
    async fn wait(&self, bytes: usize) {
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        let nanoseconds = bytes as u128 * 1_000_000_000 / u128::from(self.rate.get());
        let time = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        // A pause of the client is not made up for, a late timer is.
        let late = Duration::from_millis(100);
        let now = Instant::now();
        let base = if now.duration_since(*next) > late {
            now
        } else {
            *next
        };
        *next = base + time;
    }
}

/// A body of bytes in memory, sent at once.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    let body = Full::new(bytes.into());
    body.map_err(|never| match never {}).boxed_unsync()
}

/// A body of `segments` in their order, through `pacer` if there is one.
pub(crate) fn body(mut segments: VecDeque<Segment>, pacer: Option<Arc<Pacer>>) -> Body {
    if pacer.is_none()
        && segments.len() == 1
        && let Some(Segment::Memory(bytes)) = segments.front_mut()
    {
        return full(std::mem::take(bytes));
    }
    let most = pacer.as_ref().map_or(CHUNK, |pacer| pacer.piece());
    let left = Left {
        segments,
        pacer,
        most,
    };
    let fetch = Some(Box::pin(left.fetch()) as Fetch);
    Pieces { fetch }.boxed_unsync()
}

/// A body whose pieces are fetched one after the other.
struct Pieces {
    /// The next piece; `None` behind the last one.
    fetch: Option<Fetch>,
}

/// A piece with what is left after it; `None` where nothing is.
type Fetch = Pin<Box<dyn Future<Output = Option<(io::Result<Bytes>, Left)>> + Send>>;

/// What of a body is still to be sent, and how.
struct Left {
    segments: VecDeque<Segment>,
    pacer: Option<Arc<Pacer>>,
    /// Bytes of a piece at most.
    most: usize,
}

impl Left {
    async fn fetch(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let piece = next_piece(&mut self.segments, self.most).await?;
        if let (Some(pacer), Ok(bytes)) = (&self.pacer, &piece) {
            pacer.wait(bytes.len()).await;
        }
        Some((piece, self))
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(fetch) = &mut self.fetch else {
            return Poll::Ready(None);
        };
        let fetched = ready!(fetch.as_mut().poll(context));
        let (piece, left) = fetched.unzip();
        self.fetch = left.map(|left| Box::pin(left.fetch()) as Fetch);
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

/// Takes up to `most` bytes from the front.
async fn next_piece(segments: &mut VecDeque<Segment>, most: usize) -> Option<io::Result<Bytes>> {
    loop {
        match segments.front_mut()? {
            Segment::Memory(bytes) if bytes.is_empty() => {}
            Segment::Memory(bytes) => return Some(Ok(bytes.split_to(bytes.len().min(most)))),
            Segment::File { range, .. } if range.is_empty() => {}
            Segment::File { file, range } => {
                let file = Arc::clone(file);
                let start = range.start;
                let read = tokio::task::spawn_blocking(move || file.read(start, CHUNK)).await;
                let end = range.end;
                let result = read.map_err(io::Error::other).flatten();
                return Some(match result {
                    Ok(mut bytes) => {
                        let left = usize::try_from(end - start).unwrap_or(usize::MAX);
                        bytes.truncate(left);
                        range.start += bytes.len() as u64;
                        // Bytes that wait for their turn stay in memory, so that slow is not many reads.
                        let first = bytes.split_to(bytes.len().min(most));
                        if range.is_empty() {
                            segments.pop_front();
                        }
                        segments.push_front(Segment::Memory(bytes));
                        Ok(first)
                    }
                    Err(error) => {
                        segments.clear();
                        Err(error)
                    }
                });
            }
        }
        segments.pop_front();
    }
}

impl Source {
    /// Reads up to `most` bytes at `start`, at least one.
    fn read(&self, start: u64, most: usize) -> io::Result<Bytes> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::with_capacity(most);
        file.take(most as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            // The length was promised; without the bytes the connection has to break.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // So was the tag: bytes of another version must not complete an answer that has it.
        let metadata = self.file.metadata()?;
        if metadata.len() != self.length || metadata.modified().ok() != self.modified {
            return Err(io::Error::other("the file was overwritten"));
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use super::*;

    /// The pieces of a body, each with the time it came at.
    async fn pieces(mut body: Body) -> Vec<(Duration, Vec<u8>)> {
        let start = Instant::now();
        let mut pieces = Vec::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let data = frame.expect("no error").into_data().expect("data");
            pieces.push((start.elapsed(), data.to_vec()));
        }
        pieces
    }

    fn memory(bytes: &'static [u8]) -> VecDeque<Segment> {
        VecDeque::from([Segment::Memory(Bytes::from_static(bytes))])
    }

    fn pacer(rate: u64) -> Arc<Pacer> {
        Arc::new(Pacer::new(NonZeroU64::new(rate).expect("not zero")))
    }

    fn source(file: File) -> Content {
        let metadata = file.metadata().expect("a file");
        Content::File(Arc::new(Source {
            file,
            length: metadata.len(),
            modified: metadata.modified().ok(),
        }))
    }

    fn together(pieces: &[(Duration, Vec<u8>)]) -> Vec<u8> {
        pieces.iter().flat_map(|(_, piece)| piece.clone()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn small_files_trickle_evenly() {
        static BYTES: [u8; 500] = [7; 500];
        let pieces = pieces(body(memory(&BYTES), Some(pacer(100)))).await;
        assert_eq!(together(&pieces), BYTES);
        assert_eq!(pieces.len(), 100);
        for (at, (time, piece)) in pieces.iter().enumerate() {
            assert_eq!(piece.len(), 5);
            let due = Duration::from_millis(50) * u32::try_from(at).expect("small");
            // Timers have a resolution of a millisecond.
            assert!(
                *time >= due && *time <= due + Duration::from_millis(2),
                "{at}: {time:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_the_connections_not_the_answers() {
        let pacer = pacer(20);
        let start = Instant::now();
        for _ in 0..4 {
            let pieces = pieces(body(memory(b"0123456789"), Some(Arc::clone(&pacer)))).await;
            assert_eq!(together(&pieces), b"0123456789");
        }
        // 40 bytes, of which the first needs no wait.
        let least = Duration::from_millis(39 * 50);
        let elapsed = start.elapsed();
        assert!(
            elapsed >= least && elapsed < least + Duration::from_millis(10),
            "{elapsed:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_rate_is_a_byte_each_second() {
        let start = Instant::now();
        let pieces = pieces(body(memory(b"abc"), Some(pacer(1)))).await;
        assert_eq!(pieces.len(), 3);
        assert!(start.elapsed() >= Duration::from_secs(2));
    }

    #[tokio::test]
    async fn files_and_memory_in_turn() {
        let mut file = tempfile::tempfile().expect("a file");
        let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        file.write_all(&bytes).expect("it is written");
        let content = source(file);
        let segments = || {
            VecDeque::from([
                Segment::Memory(Bytes::from_static(b"head")),
                content.segment(100_000..200_000),
                Segment::Memory(Bytes::from_static(b"joint")),
                content.segment(5..6),
                content.segment(7..7),
            ])
        };
        let expected = [b"head", &bytes[100_000..], b"joint", &bytes[5..6]].concat();
        assert_eq!(together(&pieces(body(segments(), None)).await), expected);
        let paced = pieces(body(segments(), Some(pacer(u64::MAX)))).await;
        assert_eq!(together(&paced), expected);
    }

    #[tokio::test]
    async fn a_file_that_was_overwritten_breaks_the_answer() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&[1; 2 * CHUNK]).expect("it is written");
        let mut other = file.try_clone().expect("a handle");
        let content = source(file);
        let mut body = body(VecDeque::from([content.segment(0..2 * CHUNK as u64)]), None);
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert!(frame.expect("a frame").is_ok());
        // With as many bytes, in place.
        other.rewind().expect("a position");
        other.write_all(&[2; 2 * CHUNK]).expect("it is written");
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        other.set_modified(then).expect("a time");
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert!(frame.expect("a frame").is_err());
    }

    #[tokio::test]
    async fn a_file_that_shrank_breaks_the_answer() {
        let file = source(tempfile::tempfile().expect("a file"));
        let mut body = body(VecDeque::from([file.segment(0..10)]), None);
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert!(frame.expect("a frame").is_err());
        let end = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert!(end.is_none());
    }
}
