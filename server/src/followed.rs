//! Bodies that something goes along with until they are sent or given up.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// What goes along with a body; it is dropped with it.
pub(crate) trait Follower: Send + Unpin + 'static {
    /// So many bytes were taken from the body.
    fn sent(&mut self, _bytes: u64) {}
}

/// `body`, followed.
pub(crate) fn followed(body: Body, follower: impl Follower) -> Body {
    Body::new(Followed { body, follower })
}

struct Followed<F> {
    body: Body,
    follower: F,
}

impl<F: Follower> http_body::Body for Followed<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.follower.sent(data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
