//! One connection: its requests one after the other, and its end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::body::Pacer;
use crate::log::Log;
use crate::routes::{App, respond};
use crate::slots::{Responding, Slot};
use crate::stream::TimedStream;

/// Bytes and fields of a request's header at most; beyond, the answer is 431.
const HEADER_BYTES: usize = 16 << 10;
const HEADER_FIELDS: usize = 64;

/// What a connection needs of the server.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) log: Log,
    /// True when the server stops.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Answers the requests of one connection.
pub(crate) async fn serve(stream: TcpStream, peer: SocketAddr, shared: Shared, slot: Slot) {
    let Shared { app, log, mut stop } = shared;
    let options = &app.options;
    // Small pieces are the point; they do not wait for more.
    let _ = stream.set_nodelay(true);
    let pacer = options.rate.map(|rate| Arc::new(Pacer::new(rate)));
    let slot = Arc::new(slot);
    let (shared, requests, responder) = (Arc::clone(&app), log.clone(), Arc::clone(&slot));
    let service = service_fn(move |request: Request<Incoming>| {
        let responding = Slot::respond(&responder);
        answer(
            Arc::clone(&shared),
            requests.clone(),
            pacer.clone(),
            (peer, responding),
            request,
        )
    });
    let io = TokioIo::new(TimedStream::new(stream, Arc::clone(&slot), options));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // A client may have said all it has to say and still wait for the answer.
        .half_close(true)
        .header_read_timeout(options.header_timeout)
        .max_headers(HEADER_FIELDS)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(4 * HEADER_BYTES)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
    let (result, evicted) = tokio::select! {
        biased;
        () = slot.evicted() => (None, true),
        () = stopped => (None, false),
        result = connection.as_mut() => (Some(result), false),
    };
    let result = if result.is_some() {
        result
    } else {
        // A running answer ends first; partial requests are dropped.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            () = slot.idle() => None,
            result = connection.as_mut() => Some(result),
        }
    };
    let late = match &result {
        Some(Err(error)) => error.is_timeout(),
        Some(Ok(())) => false,
        None => evicted,
    };
    if late && slot.has_partial_request() {
        log.failed(peer, 408);
    } else if let Some(Err(error)) = result
        && error.is_parse()
    {
        let status = if error.is_parse_too_large() { 431 } else { 400 };
        log.failed(peer, status);
    }
}

/// Answers one request. The body carries the slot's guard and the log's line until it is sent or given up.
async fn answer(
    app: Arc<App>,
    log: Log,
    pacer: Option<Arc<Pacer>>,
    (peer, responding): (SocketAddr, Responding),
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = io::Error>>, Infallible> {
    let mut pending = log.request(peer, &request);
    let response = respond(app, pacer, request).await;
    if let Some(pending) = &mut pending {
        pending.set_status(response.status());
    }
    Ok(response.map(|body| {
        body.inspect_frame(move |frame| {
            let _held = &responding;
            if let (Some(pending), Some(data)) = (&mut pending, frame.data_ref()) {
                pending.add_sent(data.len());
            }
        })
    }))
}
