//! The progressive decoder with a thread of its own: the feeding thread never waits for a picture.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use flextok_compute::ComputeError;
use flextok_container::{Event, Header, Metadata, State};

use super::background::{Shared, work};
use super::{Pictures, ProgressiveOptions, ProgressivePicture, ProgressiveReader};
use crate::{Codec, Error};

/// Decodes a file while it arrives, on a thread of its own.
///
/// Feed it bytes in pieces of any size; look at the latest picture whenever you like, or wait for the next one with
/// [`ProgressiveDecoder::pictures`] on another thread. Feeding parses the bytes and hands a snapshot over: it never waits
/// for a decode.
///
/// Of several snapshots that are due only the newest is decoded. A running decode is cancelled when
/// - the last snapshot is due, after which there is nothing newer; or
/// - one of at least twice as many units is due, and the decode before was not cancelled already.
///
/// So at most every other decode is cancelled, and pictures keep coming however fast the bytes arrive. With a learned decoder
/// each snapshot is first shown plain; if a newer one is due by then, that counts as cancelled.
///
/// Dropping it cancels the running decode and waits for its current step to end.
///
/// ```
/// # #[cfg(feature = "embedded-model")] {
/// use flextok::{Codec, DecodeOptions, EncodeOptions, ProgressiveDecoder, image};
/// use std::sync::Arc;
///
/// let codec = Arc::new(Codec::embedded()?);
/// let picture = image::DynamicImage::new_rgb8(64, 48);
/// let file = codec.encode(&picture, &EncodeOptions::default().with_bytes(100))?;
///
/// let mut decoder = ProgressiveDecoder::new(Arc::clone(&codec), Default::default())?;
/// for bytes in file.chunks(11) {
///     decoder.feed(bytes)?; // as they come from the network
///     while let Some(event) = decoder.next_event() {
///         println!("{event:?}");
///     }
///     if let Some(picture) = decoder.picture() {
///         println!("{} bytes of payload to show", picture.units);
///     }
/// }
/// let (state, last) = decoder.finish()?;
/// assert_eq!(state, flextok::container::State::Complete);
/// assert_eq!(last.image, codec.decode(&file, &DecodeOptions::default())?);
/// # }
/// # Ok::<(), flextok::Error>(())
/// ```
#[derive(Debug)]
pub struct ProgressiveDecoder {
    reader: ProgressiveReader,
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

impl ProgressiveDecoder {
    /// A decoder of one file.
    ///
    /// # Errors
    /// As [`ProgressiveReader::new`]; [`Error::Compute`] if its thread cannot be started.
    pub fn new(codec: Arc<Codec>, options: ProgressiveOptions) -> Result<Self, Error> {
        let reader = ProgressiveReader::new(codec, options)?;
        let shared = Arc::new(Shared::new(reader.options()));
        let spawned = std::thread::Builder::new()
            .name("flextok-progressive".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || work(&shared)
            });
        let worker = spawned.map_err(|error| ComputeError::threads(1, &error))?;
        Ok(Self {
            reader,
            shared,
            worker: Some(worker),
        })
    }

    /// Takes the next bytes of the file, any number of them, and returns at once.
    ///
    /// # Errors
    /// As [`ProgressiveReader::feed`]. What came before the fault is still decoded and shown; a picture of payload
    /// that the fault puts in doubt is withdrawn.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let fed = self.reader.feed(bytes);
        self.post();
        fed
    }

    /// The next event in the bytes so far: see [`ProgressiveReader::next_event`].
    pub fn next_event(&mut self) -> Option<Event> {
        self.reader.next_event()
    }

    /// Requests a picture of the payload received so far, whether or not the options make one due. Returns at once;
    /// false if there is nothing to show yet. If that picture is already decoded or being decoded, this has no effect.
    pub fn request(&mut self) -> bool {
        let job = self.reader.job(Duration::ZERO);
        let requested = job.is_some();
        self.shared.post(job, true);
        requested
    }

    /// The latest picture, if there is one yet. Returns at once.
    #[must_use]
    pub fn picture(&self) -> Option<Arc<ProgressivePicture>> {
        self.shared.picture()
    }

    /// The pictures, for another thread to wait for.
    #[must_use]
    pub fn pictures(&self) -> Pictures {
        Pictures::of(&self.shared)
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

    /// Units of payload that have arrived and can be shown: bytes of a coded one, or tokens of each canvas.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.reader.units()
    }

    /// Ends the input, as [`ProgressiveReader::end`], and returns at once; the last picture follows.
    ///
    /// # Errors
    /// As [`ProgressiveReader::end`]. What came before a fault is still decoded and shown.
    pub fn end(&mut self) -> Result<State, Error> {
        let state = self.reader.end();
        self.post();
        self.shared.seal();
        state
    }

    /// Ends the input and waits for the last picture: that of [`Codec::decode`] of all bytes with the same options, byte
    /// for byte, in whatever pieces they came. After an error [`ProgressiveDecoder::picture`] has what came before it.
    ///
    /// # Errors
    /// As [`ProgressiveDecoder::end`], and the error of the last decode as [`Error::Background`].
    ///
    /// # Panics
    /// With the panic of a progress callback, once.
    pub fn finish(&mut self) -> Result<(State, Arc<ProgressivePicture>), Error> {
        let ended = self.end();
        let failure = self.shared.wait_for_end();
        self.raise_panic();
        let state = ended?;
        if let Some(error) = failure {
            return Err(Error::Background(error));
        }
        match self.picture() {
            Some(picture) => Ok((state, picture)),
            // The thread has ended, and its panic has already been reported.
            None => Err(Error::Panicked),
        }
    }

    /// Hands over what is due, and takes back what turned out to be damaged.
    fn post(&mut self) {
        if self.reader.is_faulty() {
            self.shared.retract(self.reader.units());
        }
        // The worker keeps the time, so that a picture comes although no more bytes do.
        let job = self.reader.next_job_untimed();
        self.shared.post(job, false);
    }

    /// A panic of the worker, which is a defect, goes on here.
    fn raise_panic(&mut self) {
        if self.shared.is_worker_gone()
            && let Some(worker) = self.worker.take()
            && let Err(panic) = worker.join()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for ProgressiveDecoder {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(worker) = self.worker.take() {
            // Its panic, if there was one, has been reported by the hook.
            let _ = worker.join();
        }
    }
}
