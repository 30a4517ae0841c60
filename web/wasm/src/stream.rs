//! A file while it arrives: events as plain objects, and the valid bytes so far.

use flextok::container::{self, Error, Event};
use serde_json::{Value, json};

use crate::failure::Failure;

/// The container's push reader with the bytes it was fed.
#[derive(Default)]
pub(crate) struct Stream {
    reader: container::Reader,
    bytes: Vec<u8>,
    is_faulty: bool,
}

impl Stream {
    /// Takes the next bytes and returns their events. A failure carries the events before the fault.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Value>, Failure> {
        let fed = self.reader.feed(bytes);
        let mut events = Vec::new();
        while let Some(event) = self.reader.next_event_in_order() {
            events.extend(describe(&event));
        }
        if !self.is_faulty {
            self.bytes.extend_from_slice(bytes);
        }
        let Err(error) = fed else { return Ok(events) };
        if !self.is_faulty {
            self.is_faulty = true;
            self.bytes.truncate(self.end_of_good(&error));
        }
        Err(Failure {
            events,
            ..error.into()
        })
    }

    /// All bytes fed, up to a fault.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whole layers of tokens so far.
    pub(crate) fn layers(&self) -> u16 {
        let Some(header) = self.reader.header() else {
            return 0;
        };
        let layers = (self.reader.ids().len() as u64).checked_div(header.canvases());
        layers
            .and_then(|layers| layers.try_into().ok())
            .unwrap_or(0)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.reader.is_complete() && !self.is_faulty
    }

    /// How many of the bytes precede the fault.
    fn end_of_good(&self, error: &Error) -> usize {
        let end = match (error, self.reader.header()) {
            (_, None) => 0,
            (Error::Corrupt { range, .. }, _) => range.start,
            // Faults of metadata, which follow the last token.
            (_, Some(header)) => header.layout().tokens_end(),
        };
        usize::try_from(end).unwrap_or(usize::MAX)
    }
}

fn describe(event: &Event) -> Option<Value> {
    Some(match event {
        Event::Header(header) => json!({
            "type": "header",
            "width": header.width(),
            "height": header.height(),
            "tokens": header.tokens(),
            "model": header.fingerprint().to_string(),
            "canvases": header.canvases(),
            "codebookSize": header.codebook_size(),
        }),
        Event::Tokens { available } => json!({ "type": "tokens", "available": available }),
        Event::Proven { layers } => json!({ "type": "proven", "layers": layers }),
        Event::Metadata { chunks } => json!({ "type": "metadata", "chunks": chunks }),
        Event::Complete => json!({ "type": "complete" }),
        // A kind of event that this version has no name for.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use flextok::container::TokenFile;

    use super::*;
    use crate::fixtures::file;

    fn feed_all(bytes: &[u8], size: usize) -> (Stream, Vec<Value>, Option<Failure>) {
        let (mut stream, mut events, mut failure) = (Stream::default(), Vec::new(), None);
        for piece in bytes.chunks(size) {
            match stream.feed(piece) {
                Ok(more) => events.extend(more),
                Err(error) => {
                    events.extend(error.events.clone());
                    failure.get_or_insert(error);
                }
            }
        }
        (stream, events, failure)
    }

    #[test]
    fn pieces_of_any_size_tell_the_same() {
        let bytes = file(64);
        let (_, expected, _) = feed_all(&bytes, bytes.len());
        assert_eq!(expected.len(), 1 + 64 + 3 + 1);
        assert_eq!(expected[0]["type"], "header");
        assert_eq!(expected[0]["tokens"], 64);
        assert_eq!(expected[5], json!({ "type": "proven", "layers": 4 }));
        assert_eq!(expected.last(), Some(&json!({ "type": "complete" })));
        for size in [1, 2, 7, 123] {
            let (stream, events, failure) = feed_all(&bytes, size);
            assert_eq!(failure, None);
            assert_eq!(events, expected);
            assert_eq!(stream.bytes(), bytes);
            assert_eq!((stream.layers(), stream.is_complete()), (64, true));
        }
    }

    #[test]
    fn what_precedes_a_fault_can_be_decoded() {
        let bytes = file(64);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let (_, expected, _) = feed_all(&damaged, damaged.len());
            for size in [1, 5] {
                let (stream, events, failure) = feed_all(&damaged, size);
                assert!(failure.is_some(), "byte {at}");
                assert_eq!(events, expected);
                assert!(!stream.is_complete());
                assert_eq!(stream.bytes(), &damaged[..stream.bytes().len()]);
                if stream.layers() > 0 {
                    let there = TokenFile::parse(stream.bytes()).unwrap();
                    assert_eq!(there.layers(), stream.layers());
                    assert!(there.proven_layers() <= stream.layers());
                } else if !stream.bytes().is_empty() {
                    assert_eq!(TokenFile::parse(stream.bytes()).unwrap().layers(), 0);
                }
            }
        }
    }

    #[test]
    fn bytes_after_the_end_are_left_out() {
        let mut bytes = file(4);
        let whole = bytes.len();
        bytes.extend_from_slice(b"more");
        for size in [1, 3, bytes.len()] {
            let (mut stream, events, failure) = feed_all(&bytes, size);
            assert_eq!(failure.unwrap().kind, "corrupt");
            assert_eq!(stream.bytes(), &bytes[..whole]);
            assert_eq!(events[0]["type"], "header");
            assert_eq!(stream.feed(b"and more").unwrap_err().kind, "corrupt");
            assert_eq!(stream.bytes().len(), whole);
        }
    }
}
