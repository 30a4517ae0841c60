//! From a representation to the answer: conditions, ranges, headers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use headers::{AcceptRanges, ContentLength, ContentRange, ETag, HeaderMapExt, LastModified};
use hyper::header::{CONTENT_TYPE, HeaderValue, RANGE};
use hyper::{HeaderMap, Method, Response, StatusCode};

use crate::body::{Body, Pacer, Segment, body, full};
use crate::conditional::{Validators, Verdict};
use crate::error::Refusal;
use crate::folder::{Stored, Tag};
use crate::range::{self, Selection};

/// A content with what is said about it.
#[derive(Debug)]
pub(crate) struct Representation {
    pub(crate) stored: Stored,
    /// Type, caching and whatever else goes with each answer that is about it.
    pub(crate) headers: HeaderMap,
}

/// The answer to a GET or HEAD for `representation`.
pub(crate) fn deliver(
    method: &Method,
    request: &HeaderMap,
    representation: Representation,
    pacer: Option<Arc<Pacer>>,
) -> Response<Body> {
    let Representation { stored, headers } = representation;
    let now = SystemTime::now();
    let tag = hexadecimal(&stored.tag);
    // Quoted digits are always a tag, and HTTP has no dates before 1970.
    let Ok(etag) = format!("\"{tag}\"").parse::<ETag>() else {
        return Refusal::Fault("the file has no entity tag".to_owned()).response();
    };
    let modified = stored.modified.filter(|&modified| modified >= UNIX_EPOCH);
    let validators = Validators {
        tag: etag,
        // A time in the future would promise that nothing changes until then.
        modified: modified.map(|modified| modified.min(now)),
    };
    let mut answer = Answer {
        headers,
        stored: &stored,
        pacer,
    };
    answer.validators(&validators);
    match validators.judge(request) {
        Verdict::NotModified => {
            answer.headers.remove(CONTENT_TYPE);
            // That of a 200; without it one of 0 would be sent, which is not the content's.
            answer.length(stored.length);
            return answer.empty(StatusCode::NOT_MODIFIED);
        }
        Verdict::Failed => {
            answer.headers.remove(CONTENT_TYPE);
            return answer.empty(StatusCode::PRECONDITION_FAILED);
        }
        Verdict::Proceed => {}
    }
    if method == Method::HEAD {
        answer.length(stored.length);
        return answer.empty(StatusCode::OK);
    }
    let mut ranges = request.get_all(RANGE).iter();
    let selection = match (ranges.next(), ranges.next()) {
        (Some(value), None) if validators.allow_range(request, now) => {
            range::parse(value.as_bytes(), stored.length)
        }
        _ => Selection::Whole,
    };
    match selection {
        Selection::Whole => answer.whole(),
        Selection::Unsatisfiable => answer.unsatisfiable(),
        Selection::Parts(parts) => match parts.as_slice() {
            [part] => answer.part(part.clone()),
            parts => answer.parts(parts),
        },
    }
}

/// An answer in the making.
struct Answer<'a> {
    headers: HeaderMap,
    stored: &'a Stored,
    pacer: Option<Arc<Pacer>>,
}

impl Answer<'_> {
    fn length(&mut self, length: u64) {
        self.headers.typed_insert(ContentLength(length));
    }

    fn validators(&mut self, validators: &Validators) {
        self.headers.typed_insert(validators.tag.clone());
        if let Some(modified) = validators.modified {
            self.headers.typed_insert(LastModified::from(modified));
        }
        self.headers.typed_insert(AcceptRanges::bytes());
    }

    fn finish(self, status: StatusCode, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = self.headers;
        response
    }

    fn empty(self, status: StatusCode) -> Response<Body> {
        self.finish(status, full(""))
    }

    fn content(mut self, status: StatusCode, segments: VecDeque<Segment>) -> Response<Body> {
        let body = body(segments, self.pacer.take());
        self.finish(status, body)
    }

    fn whole(mut self) -> Response<Body> {
        let length = self.stored.length;
        self.length(length);
        let all = self.stored.content.segment(0..length);
        self.content(StatusCode::OK, VecDeque::from([all]))
    }

    fn part(mut self, part: Range<u64>) -> Response<Body> {
        if let Ok(range) = ContentRange::bytes(part.clone(), self.stored.length) {
            self.headers.typed_insert(range);
        }
        self.length(part.end - part.start);
        let segment = self.stored.content.segment(part);
        self.content(StatusCode::PARTIAL_CONTENT, VecDeque::from([segment]))
    }

    /// Several parts, each with a header of its own (RFC 9110, section 14.6).
    fn parts(mut self, parts: &[Range<u64>]) -> Response<Body> {
        // Nobody can have put the hash of a content into it.
        let boundary = format!("flextok-{}", hexadecimal(&self.stored.tag));
        let media = self.headers.remove(CONTENT_TYPE);
        let media = media.as_ref().and_then(|media| media.to_str().ok());
        let media = media.unwrap_or("application/octet-stream").to_owned();
        let mut segments = VecDeque::new();
        let mut length = 0;
        let mut text = |text: String, segments: &mut VecDeque<Segment>| {
            length += text.len() as u64;
            segments.push_back(Segment::Memory(Bytes::from(text)));
        };
        let mut joint = "";
        for part in parts {
            let (first, last) = (part.start, part.end.saturating_sub(1));
            let head = format!(
                "{joint}--{boundary}\r\nContent-Type: {media}\r\n\
                 Content-Range: bytes {first}-{last}/{}\r\n\r\n",
                self.stored.length
            );
            text(head, &mut segments);
            segments.push_back(self.stored.content.segment(part.clone()));
            joint = "\r\n";
        }
        text(format!("\r\n--{boundary}--\r\n"), &mut segments);
        length += parts.iter().map(|part| part.end - part.start).sum::<u64>();
        self.length(length);
        let media = format!("multipart/byteranges; boundary={boundary}");
        // Hexadecimal digits are always a possible value.
        if let Ok(media) = HeaderValue::try_from(media) {
            self.headers.insert(CONTENT_TYPE, media);
        }
        self.content(StatusCode::PARTIAL_CONTENT, segments)
    }

    fn unsatisfiable(mut self) -> Response<Body> {
        let length = self.stored.length;
        self.headers
            .typed_insert(ContentRange::unsatisfied_bytes(length));
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        self.headers.insert(CONTENT_TYPE, plain);
        let line = format!("range not satisfiable: the content has {length} bytes\n");
        self.finish(StatusCode::RANGE_NOT_SATISFIABLE, full(line))
    }
}

fn hexadecimal(tag: &Tag) -> String {
    tag.iter().map(|byte| format!("{byte:02x}")).collect()
}
