//! From a representation to the answer: conditions, ranges, headers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;

use crate::body::{Pacer, Segment, body};
use crate::conditional::{Validators, Verdict};
use crate::folder::{Stored, Tag};
use crate::range::{self, Asked};

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
    let tag = quoted(&stored.tag);
    let validators = Validators {
        tag: &tag,
        // A time to come would promise that nothing changes until then.
        modified: stored.modified.map(|modified| modified.min(now)),
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
    let asked = match (ranges.next(), ranges.next()) {
        (Some(value), None) if validators.allow_range(request, now) => {
            range::parse(value.as_bytes(), stored.length)
        }
        _ => Asked::Whole,
    };
    match asked {
        Asked::Whole => answer.whole(),
        Asked::Unsatisfiable => answer.unsatisfiable(),
        Asked::Parts(parts) => match parts.as_slice() {
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
    fn set(&mut self, name: axum::http::HeaderName, value: &str) {
        // Numbers, dates and hexadecimal digits: they are always possible values.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    fn length(&mut self, length: u64) {
        self.headers.insert(CONTENT_LENGTH, length.into());
    }

    fn validators(&mut self, validators: &Validators<'_>) {
        self.set(ETAG, validators.tag);
        if let Some(modified) = validators.modified {
            self.set(LAST_MODIFIED, &httpdate::fmt_http_date(modified));
        }
        self.set(ACCEPT_RANGES, "bytes");
    }

    fn finish(self, status: StatusCode, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = self.headers;
        response
    }

    fn empty(self, status: StatusCode) -> Response<Body> {
        self.finish(status, Body::empty())
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
        self.set(CONTENT_RANGE, &content_range(&part, self.stored.length));
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
            let range = content_range(part, self.stored.length);
            let head = format!(
                "{joint}--{boundary}\r\nContent-Type: {media}\r\nContent-Range: {range}\r\n\r\n"
            );
            text(head, &mut segments);
            segments.push_back(self.stored.content.segment(part.clone()));
            joint = "\r\n";
        }
        text(format!("\r\n--{boundary}--\r\n"), &mut segments);
        length += parts.iter().map(|part| part.end - part.start).sum::<u64>();
        self.length(length);
        let media = format!("multipart/byteranges; boundary={boundary}");
        self.set(CONTENT_TYPE, &media);
        self.content(StatusCode::PARTIAL_CONTENT, segments)
    }

    fn unsatisfiable(mut self) -> Response<Body> {
        let length = self.stored.length;
        self.set(CONTENT_RANGE, &format!("bytes */{length}"));
        self.set(CONTENT_TYPE, "text/plain; charset=utf-8");
        let line = format!("the range is not there: the content has {length} bytes\n");
        self.finish(StatusCode::RANGE_NOT_SATISFIABLE, Body::from(line))
    }
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    let last = part.end.saturating_sub(1);
    format!("bytes {}-{last}/{length}", part.start)
}

fn quoted(tag: &Tag) -> String {
    format!("\"{}\"", hexadecimal(tag))
}

fn hexadecimal(tag: &Tag) -> String {
    tag.iter().map(|byte| format!("{byte:02x}")).collect()
}
