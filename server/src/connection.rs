//! One connection: its requests one after the other, and when it has to go.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::app::{App, Connection};
use crate::body::Pacer;
use crate::followed::followed;
use crate::host;
use crate::log::Log;
use crate::places::{Answering, Place};
use crate::stream::Guarded;

/// Bytes and fields of a request's header at most; beyond, the answer is 431.
const HEADER_BYTES: usize = 16 << 10;
const HEADER_FIELDS: usize = 64;

/// What a connection needs of the server.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) log: Log,
    /// True when the server stops.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Answers the requests of one connection.
pub(crate) async fn serve(stream: TcpStream, peer: SocketAddr, shared: Shared, place: Place) {
    let Shared {
        app,
        router,
        log,
        mut stop,
    } = shared;
    let options = &app.options;
    // Small pieces are the point; they do not wait for more.
    let _ = stream.set_nodelay(true);
    let connection = Connection {
        pacer: options.rate.map(|rate| Arc::new(Pacer::new(rate))),
    };
    let place = Arc::new(place);
    let (requests, asked) = (log.clone(), Arc::clone(&place));
    let service = service_fn(move |request: Request<Incoming>| {
        let answering = Place::answer(&asked);
        answer(
            router.clone(),
            requests.clone(),
            connection.clone(),
            (peer, answering),
            request,
        )
    });
    let io = TokioIo::new(Guarded::new(stream, Arc::clone(&place), options));
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
    let (result, unwanted) = tokio::select! {
        biased;
        () = place.unwanted() => (None, true),
        () = stopped => (None, false),
        result = connection.as_mut() => (Some(result), false),
    };
    let result = if result.is_some() {
        result
    } else {
        // A running answer ends first; half a request is none, and is not waited for.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            () = place.waits() => None,
            result = connection.as_mut() => Some(result),
        }
    };
    let late = match &result {
        Some(Err(error)) => error.is_timeout(),
        Some(Ok(())) => false,
        None => unwanted,
    };
    if late && place.has_part() {
        log.failed(peer, 408);
    } else if let Some(Err(error)) = result
        && error.is_parse()
    {
        let status = if error.is_parse_too_large() { 431 } else { 400 };
        log.failed(peer, status);
    }
}

/// Answers one request, and sees that it is logged.
async fn answer(
    router: Router,
    log: Log,
    connection: Connection,
    (peer, answering): (SocketAddr, Answering),
    mut request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    let pending = log.request(peer, &request);
    let response = match host::check(request.version(), request.headers()) {
        Ok(()) => {
            request.extensions_mut().insert(connection);
            router.oneshot(request).await?
        }
        Err(refusal) => refusal.response(),
    };
    let status = response.status();
    Ok(response.map(|body| {
        let body = followed(body, answering);
        match pending {
            None => body,
            Some(pending) => pending.follow(status, body),
        }
    }))
}
