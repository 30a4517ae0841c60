//! Rows of tokens to pictures: some go through the network together while those before them are written.

mod grid;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flextok::image::RgbImage;
use flextok::picture::save::{self, SaveFormat};
use flextok::{Codec, DecodeOptions, Error, ErrorKind, Size};
pub(crate) use grid::{Grid, Layout as GridLayout, MOST as MOST_CELLS};
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::context::Context;
use crate::exit::CliError;
use crate::folder::Folder;
use crate::packing::Packer;
use crate::rows::{Tally, Trouble};

/// Pixels of the pictures that are decoded together, unless one alone has more.
const TOGETHER: u64 = 1 << 24;

/// A row that can be decoded.
#[derive(Debug)]
pub(crate) struct Request {
    /// What messages call it.
    pub(crate) name: String,
    /// Its place in the order of all rows.
    pub(crate) number: u64,
    /// Its token file.
    pub(crate) file: Vec<u8>,
    /// The size of its picture.
    pub(crate) size: Size,
    /// The file to write, or the cell of the grid.
    pub(crate) to: To,
}

/// Where a picture goes.
#[derive(Debug)]
pub(crate) enum To {
    File(PathBuf),
    Cell(u32),
}

/// Where pictures go.
pub(crate) enum Sink {
    Folder(Folder, SaveFormat),
    Grid(Grid),
}

impl Sink {
    fn take(&self, request: &Request, picture: &RgbImage) -> Result<(), CliError> {
        match (self, &request.to) {
            (Self::Folder(folder, format), To::File(file)) => {
                let bytes = save::encode(picture, *format);
                let bytes = bytes.map_err(|error| CliError::codec(&request.name, error))?;
                folder.write(file, &bytes)
            }
            (Self::Grid(grid), To::Cell(cell)) => grid.place(*cell, picture, request.size),
            _ => Ok(()),
        }
        .map_err(|error| match error {
            CliError::Codec { source, .. } => CliError::codec(&request.name, *source),
            error => error,
        })
    }
}

/// All that decoding needs.
pub(crate) struct Decoder<'a> {
    pub(crate) context: &'a Context,
    pub(crate) tally: &'a Tally,
    pub(crate) packer: &'a Packer<'a>,
    pub(crate) options: DecodeOptions,
    pub(crate) bar: ProgressBar,
}

/// Pictures with their requests.
type Decoded = Vec<(Request, RgbImage)>;

/// Collects requests and decodes them together.
pub(crate) struct Queue<'a> {
    decoder: &'a Decoder<'a>,
    waiting: Vec<Request>,
    done: SyncSender<Decoded>,
}

impl Decoder<'_> {
    /// Decodes what `feed` puts into a queue; what is decoded is written at the same time.
    pub(crate) fn run(
        &self,
        sink: &Sink,
        feed: impl FnOnce(&mut Queue<'_>) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        // One batch is decoded, one waits, one is written.
        let (done, decoded) = sync_channel(1);
        let result = thread::scope(|scope| {
            scope.spawn(move || self.write(sink, &decoded));
            let mut queue = Queue {
                decoder: self,
                waiting: Vec::new(),
                done,
            };
            feed(&mut queue)?;
            queue.flush()
        });
        self.bar.finish_and_clear();
        result
    }

    fn write(&self, sink: &Sink, decoded: &Receiver<Decoded>) {
        for batch in decoded {
            self.packer.model.codec.threads().install(|| {
                batch.into_par_iter().for_each(|(request, picture)| {
                    match sink.take(&request, &picture) {
                        Ok(()) => self.tally.done(),
                        Err(error) => self.tally.fail(self.context, request.number, &error),
                    }
                    self.bar.inc(1);
                });
            });
        }
    }

    /// Decodes requests together. One that is refused is listed, and the others are decoded without it.
    fn decode(&self, mut requests: Vec<Request>) -> Result<Decoded, Error> {
        while !requests.is_empty() {
            let files: Vec<&[u8]> = requests.iter().map(|request| &request.file[..]).collect();
            match self.packer.model.codec.decode_batch(&files, &self.options) {
                Ok(pictures) => return Ok(requests.into_iter().zip(pictures).collect()),
                Err(Error::InBatch { index, error }) if index < requests.len() => {
                    self.refuse(&requests.remove(index), *error);
                }
                Err(error) if is_of_picture(&error) => match requests.len() {
                    1 => self.refuse(&requests.remove(0), error),
                    _ => return self.each(requests),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(Vec::new())
    }

    /// Decodes each request alone, since one of them is too much.
    fn each(&self, requests: Vec<Request>) -> Result<Decoded, Error> {
        let mut all = Vec::with_capacity(requests.len());
        for request in requests {
            all.extend(self.decode(vec![request])?);
        }
        Ok(all)
    }

    fn refuse(&self, request: &Request, error: Error) {
        let error = self.packer.model.error(&request.name, error);
        self.tally.fail(self.context, request.number, &error);
        self.bar.inc(1);
    }
}

/// Whether an error may be that of one picture, which does not stop the others.
fn is_of_picture(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Image | ErrorKind::Limit | ErrorKind::Resources
    )
}

impl Queue<'_> {
    pub(crate) fn add(&mut self, request: Request) -> Result<(), Trouble> {
        let pixels = |requests: &[Request]| -> u64 {
            requests
                .iter()
                .map(|request| request.size.area())
                .fold(0, u64::saturating_add)
        };
        let most = TOGETHER.saturating_sub(request.size.area());
        if !self.waiting.is_empty() && pixels(&self.waiting) > most {
            self.flush().map_err(Trouble::Run)?;
        }
        self.waiting.push(request);
        if self.waiting.len() >= Codec::IMAGES_PER_PASS {
            self.flush().map_err(Trouble::Run)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), CliError> {
        let decoder = self.decoder;
        let requests = std::mem::take(&mut self.waiting);
        let model = decoder.packer.model;
        let decoded = decoder
            .decode(requests)
            .map_err(|error| model.error(&model.name, error))?;
        // The receiver lives until the sender is dropped.
        let _ = self.done.send(decoded);
        Ok(())
    }
}
