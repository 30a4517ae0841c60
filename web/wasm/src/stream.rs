//! A file while it arrives: events as plain objects, and the valid bytes so far.

use flextok::ModelName;
use flextok::container::{self, Event, Header};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::file::{kind, units};

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
        while let Some(event) = self.reader.next_event() {
            events.extend(describe(&event));
        }
        if !self.is_faulty {
            self.bytes.extend_from_slice(bytes);
        }
        let Err(error) = fed else { return Ok(events) };
        if !self.is_faulty {
            self.is_faulty = true;
            self.bytes.truncate(self.end_of_proven());
        }
        Err(Failure {
            events,
            ..error.into()
        })
    }

    /// All bytes fed; after a fault, those that checksums prove.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whole units of payload so far; after a fault, those that checksums prove.
    pub(crate) fn units(&self) -> u64 {
        self.units_in(self.reader.payload().len() as u64)
    }

    /// Units of payload that a checksum covers.
    pub(crate) fn proven(&self) -> u64 {
        self.units_in(self.reader.proven_bytes())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.reader.is_complete() && !self.is_faulty
    }

    fn units_in(&self, payload: u64) -> u64 {
        let header = self.reader.header();
        header.map_or(0, |header| units(header, payload))
    }

    /// Where the last check that matched ends; the metadata behind the payload is left out.
    fn end_of_proven(&self) -> usize {
        let end = self.reader.header().map_or(0, |header| {
            let (layout, proven) = (header.layout(), self.reader.proven_bytes());
            if proven == 0 {
                return layout.header_bytes();
            }
            // The next byte of payload stands right behind the check.
            let next = layout.payload_end(proven + 1);
            next.map_or(layout.payload_section_end(), |end| end - 1)
        });
        usize::try_from(end).unwrap_or(usize::MAX)
    }
}

fn describe(event: &Event) -> Option<Value> {
    Some(match event {
        Event::Header(header) => about(header),
        Event::Payload { available } => json!({ "type": "payload", "available": available }),
        Event::Proven { payload } => json!({ "type": "proven", "payload": payload }),
        Event::Metadata { chunks } => json!({ "type": "metadata", "chunks": chunks }),
        Event::Complete => json!({ "type": "complete" }),
        // A kind of event that this version has no name for.
        _ => return None,
    })
}

fn about(header: &Header) -> Value {
    json!({
        "type": "header",
        "width": header.size().width,
        "height": header.size().height,
        "model": ModelName::of(header).to_string(),
        "payload": kind(header),
        "units": units(header, header.payload_bytes()),
        "unitBytes": header.unit(),
    })
}

#[cfg(test)]
mod tests {
    use flextok::container::TokenFile;

    use super::*;
    use crate::fixtures::{coded, ids};

    /// The events of a file in pieces, without those that pieces make more of; the first failure.
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

    /// Events of one kind are merged: the last of each kind, in order.
    fn merged(events: Vec<Value>) -> Vec<Value> {
        let mut last: Vec<Value> = Vec::new();
        for event in events {
            last.retain(|other| other["type"] != event["type"]);
            last.push(event);
        }
        last.sort_by_key(|event| event["type"].to_string());
        last
    }

    #[test]
    fn pieces_of_any_size_tell_the_same() {
        for (bytes, units, unit) in [(coded(300), 300, 1), (ids(300), 300, 2)] {
            let (_, events, _) = feed_all(&bytes, bytes.len());
            assert_eq!(events[0]["type"], "header");
            assert_eq!(
                (&events[0]["units"], &events[0]["unitBytes"]),
                (&units.into(), &unit.into())
            );
            assert_eq!(
                events[1],
                json!({ "type": "payload", "available": units * unit })
            );
            assert_eq!(
                events[2],
                json!({ "type": "proven", "payload": units * unit })
            );
            assert_eq!(events[3..], [json!({ "type": "complete" })]);
            let expected = merged(events);
            for size in [1, 2, 7, 123] {
                let (stream, events, failure) = feed_all(&bytes, size);
                assert_eq!(failure, None);
                assert_eq!(merged(events), expected);
                assert_eq!(stream.bytes(), bytes);
                assert_eq!((stream.units(), stream.proven()), (units, units));
                assert!(stream.is_complete());
            }
        }
    }

    #[test]
    fn what_is_proven_before_a_fault_can_be_decoded() {
        for bytes in [coded(300), ids(150)] {
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x55;
                for size in [1, 5, bytes.len()] {
                    let (stream, _, failure) = feed_all(&damaged, size);
                    assert!(failure.is_some(), "byte {at}");
                    assert!(!stream.is_complete());
                    assert_eq!(stream.units(), stream.proven());
                    assert_eq!(stream.bytes(), &damaged[..stream.bytes().len()]);
                    if !stream.bytes().is_empty() {
                        let there = TokenFile::parse(stream.bytes()).unwrap();
                        assert_eq!(units(there.header(), there.proven_bytes()), stream.units());
                        assert_eq!(there.payload().len() as u64, there.proven_bytes());
                    }
                }
            }
        }
    }

    #[test]
    fn bytes_after_the_end_are_left_out() {
        let mut bytes = coded(4);
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
