//! The half of a progressive decoder that needs no threads and no clock: bytes in, events and jobs out.

use std::sync::Arc;
use std::time::Duration;

use flextok_container::{Event, Header, Metadata, Reader, State};

use super::{PictureJob, Refresh};
use crate::codec::{check_time, no_payload};
use crate::macros::setters;
use crate::{Codec, DecodeOptions, Error};

/// How a file is decoded while it arrives.
///
/// ```
/// use flextok::DecodeOptions;
/// use flextok::progressive::{ProgressiveOptions, Refresh};
///
/// let options = ProgressiveOptions::default()
///     .with_refresh(Refresh::Units(16))
///     .with_decode(DecodeOptions::default().with_keep_canvas(true));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ProgressiveOptions {
    /// When a new picture is due (default: at powers of two).
    pub refresh: Refresh,
    /// How each picture is decoded. Its progress is that of the decode that runs; its cancellation ends all decoding.
    pub decode: DecodeOptions,
    /// Start every picture but the last from the one before, at this time of the flow (above 0, at most 1), instead of
    /// from noise (default: from noise; for networks). See the [module's page](super) for what that gains.
    pub warm_start: Option<f32>,
}

impl ProgressiveOptions {
    setters! {
        /// Sets when a new picture is due.
        with_refresh(refresh: Refresh);
        /// Sets how each picture is decoded.
        with_decode(decode: DecodeOptions);
        /// Starts pictures from the one before.
        with_warm_start(warm_start: f32);
    }
}

/// Reads a file while it arrives and returns the pictures to decode, without threads: for event loops, for WebAssembly,
/// and for programs with threads of their own. [`ProgressiveDecoder`](super::ProgressiveDecoder) adds a decoding
/// thread.
///
/// ```
/// # #[cfg(feature = "embedded-model")] {
/// use flextok::progressive::{ProgressiveOptions, ProgressiveReader};
/// use flextok::{Codec, EncodeOptions, image};
/// use std::sync::Arc;
///
/// let codec = Arc::new(Codec::embedded()?);
/// let picture = image::DynamicImage::new_rgb8(64, 48);
/// let file = codec.encode(&picture, &EncodeOptions::default().with_bytes(40))?;
///
/// let mut reader = ProgressiveReader::new(codec, ProgressiveOptions::default())?;
/// let mut shown = Vec::new();
/// for bytes in file.chunks(7) {
///     reader.feed(bytes)?;
///     while let Some(job) = reader.next_job(std::time::Duration::ZERO) {
///         shown.push(job.run(None)?.units); // here, or on another thread
///     }
/// }
/// assert_eq!(shown.last(), Some(&(file.len() as u64 - 10))); // all but header and check
/// # }
/// # Ok::<(), flextok::Error>(())
/// ```
#[derive(Debug)]
pub struct ProgressiveReader {
    codec: Arc<Codec>,
    options: Arc<ProgressiveOptions>,
    reader: Reader,
    /// Whether the header has arrived and the codec can decode such files.
    decodable: bool,
    ended: bool,
    taken: Option<Taken>,
}

/// The last job that was returned.
#[derive(Debug, Clone, Copy)]
struct Taken {
    units: u64,
    is_last: bool,
    at: Duration,
}

impl ProgressiveReader {
    /// A reader of one file.
    ///
    /// # Errors
    /// [`Error::Option`] and [`Error::Limit`] for options that the model does not allow.
    pub fn new(codec: Arc<Codec>, options: ProgressiveOptions) -> Result<Self, Error> {
        codec.check_options(&options.decode)?;
        options.warm_start.map_or(Ok(()), check_time)?;
        let reader = Reader::with_limits(codec.limits().container);
        Ok(Self {
            codec,
            options: Arc::new(options),
            reader,
            decodable: false,
            ended: false,
            taken: None,
        })
    }

    /// Takes the next bytes of the file, any number of them.
    ///
    /// # Errors
    /// [`Error::Container`] for bytes that contradict the format; as soon as the header has arrived, the reason why
    /// the codec cannot decode the file ([`Error::WrongModel`], [`Error::Grid`], [`Error::Limit`] …). Every later call
    /// returns the first such error again; what came before the fault can still be decoded. [`Error::FedAfterEnd`]
    /// after [`ProgressiveReader::end`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.ended {
            return Err(Error::FedAfterEnd { bytes: bytes.len() });
        }
        let fed = self.reader.feed(bytes);
        if let Some(header) = self.reader.header().filter(|_| !self.decodable) {
            self.codec.check_header(header, &self.options.decode)?;
            self.decodable = true;
        }
        Ok(fed?)
    }

    /// Ends the input and returns whether the file is complete.
    ///
    /// # Errors
    /// That of an earlier [`ProgressiveReader::feed`]; [`Error::Container`] if the header is incomplete,
    /// [`Error::NoPayload`] if there is too little of it: as [`Codec::decode`] of the bytes.
    pub fn end(&mut self) -> Result<State, Error> {
        self.ended = true;
        if let Some(header) = self.reader.header() {
            self.codec.check_header(header, &self.options.decode)?;
        }
        if let Some(error) = self.reader.error() {
            return Err(error.clone().into());
        }
        let (Some(header), Some(state)) = (self.reader.header(), self.reader.state()) else {
            // Nothing but the beginning of a header is copied.
            return Ok(self.reader.clone().finish()?.state());
        };
        let have = self.reader.payload().len() as u64;
        if have < header.unit() {
            return Err(no_payload(header, have));
        }
        Ok(state)
    }

    /// The next event in the bytes so far: the header, each unit of payload, check and metadata chunk on its own,
    /// and the end, in file order. The sequence does not depend on the pieces in which the bytes were fed; see
    /// [`Reader::next_event_in_order`].
    pub fn next_event(&mut self) -> Option<Event> {
        self.reader.next_event_in_order()
    }

    /// The next picture to decode, if one is due; `now` is the time on a monotonic clock, which only
    /// [`Refresh::Interval`] uses.
    pub fn next_job(&mut self, now: Duration) -> Option<PictureJob> {
        let due = self.is_due(Some(now));
        if due { self.job(now) } else { None }
    }

    /// As [`ProgressiveReader::next_job`], but the caller keeps the interval.
    pub(super) fn next_job_untimed(&mut self) -> Option<PictureJob> {
        let due = self.is_due(None);
        if due { self.job(Duration::ZERO) } else { None }
    }

    fn is_due(&self, now: Option<Duration>) -> bool {
        let have = self.units();
        let is_last = self.is_last(have);
        match self.taken {
            // Behind a fault fewer units than a moment ago may be the last.
            Some(taken) if is_last => taken.units != have || !self.is_like_last(taken),
            Some(taken) => {
                let since = now.map(|now| now.saturating_sub(taken.at));
                self.options.refresh.is_due(taken.units, have, since)
            }
            None => is_last || self.options.refresh.is_due(0, have, None),
        }
    }

    /// A picture of all units so far, due or not; `None` if there is none yet.
    pub fn job(&mut self, now: Duration) -> Option<PictureJob> {
        let units = self.units();
        if units == 0 {
            return None;
        }
        let is_last = self.is_last(units);
        self.taken = Some(Taken {
            units,
            is_last,
            at: now,
        });
        Some(PictureJob {
            codec: Arc::clone(&self.codec),
            options: Arc::clone(&self.options),
            file: self.reader.partial()?,
            units,
            is_last,
        })
    }

    /// Units of payload that a picture would show now, bytes of a coded one or tokens of each canvas: those that have arrived
    /// and can be decoded, at most as many as the options allow.
    #[must_use]
    pub fn units(&self) -> u64 {
        let header = self.reader.header().filter(|_| self.decodable);
        let available = header.map_or(0, |header| {
            self.reader.payload().len() as u64 / header.unit()
        });
        available.min(self.most())
    }

    /// The header, once it has arrived.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.reader.header()
    }

    /// The metadata so far.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.reader.metadata()
    }

    /// Units of payload that a matching check covers.
    #[must_use]
    pub fn proven_units(&self) -> u64 {
        let unit = self.reader.header().map_or(1, Header::unit);
        self.reader.proven_bytes() / unit
    }

    /// Whether the file has ended by itself.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.reader.is_complete() && !self.is_faulty()
    }

    /// Whether the bytes contradict the format.
    pub(super) fn is_faulty(&self) -> bool {
        self.reader.error().is_some()
    }

    pub(super) fn options(&self) -> &ProgressiveOptions {
        &self.options
    }

    fn most(&self) -> u64 {
        self.options.decode.tokens.map_or(u64::MAX, u64::from)
    }

    /// Whether no later picture will show more than one of `units`.
    fn is_last(&self, units: u64) -> bool {
        let declared = |header: &Header| header.payload_bytes() / header.unit();
        let declared = self.reader.header().map_or(0, declared);
        self.ended || self.is_faulty() || units >= declared.min(self.most())
    }

    /// Whether a picture that was taken is what the last one of as many units would be.
    fn is_like_last(&self, taken: Taken) -> bool {
        taken.is_last || self.options.warm_start.is_none()
    }
}
