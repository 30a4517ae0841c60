//! What is at which address.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LOCATION,
    CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use axum::routing::any;
use bytes::Bytes;
use flextok_container::MEDIA_TYPE;
use http_body::Body as _;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::body::{Content, Pacer};
use crate::deliver::{Representation, deliver};
use crate::error::Refusal;
use crate::folder::{Stored, tag};
use crate::listing::{self, Index};
use crate::name::Name;
use crate::options::Options;
use crate::page::{Page, page_headers};
use crate::store::{Selected, Store};
use crate::wish::{self, Wish};

/// Methods of token files, and of all else.
const FILE_METHODS: &str = "GET, HEAD, OPTIONS";
const PAGE_METHODS: &str = "GET, HEAD";

/// The plain index loads nothing.
const INDEX_POLICY: &str = "default-src 'none'; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'self'";

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) options: Options,
    pub(crate) store: Store,
    pub(crate) page: Page,
    pub(crate) index: Index,
}

/// What the requests of one connection share.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) pacer: Option<Arc<Pacer>>,
}

type Shared = State<Arc<App>>;

/// All addresses.
pub(crate) fn router(app: Arc<App>) -> Router {
    let nosniff = HeaderValue::from_static("nosniff");
    Router::new()
        .route("/", any(root))
        .route("/index.json", any(index))
        .fallback(file)
        .layer(SetResponseHeaderLayer::overriding(
            X_CONTENT_TYPE_OPTIONS,
            nosniff,
        ))
        .with_state(app)
}

/// A request, of whose content only is known whether there is any.
struct Asked {
    parts: Parts,
    has_content: bool,
}

impl Asked {
    fn new(request: Request) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            parts,
            has_content: !body.is_end_stream(),
        }
    }

    /// Whether it is a GET or HEAD without a content; `allowed` are the methods that a refusal lists.
    fn check(&self, allowed: &'static str) -> Result<(), Refusal> {
        if self.parts.method != Method::GET && self.parts.method != Method::HEAD {
            return Err(Refusal::Method(allowed));
        }
        if self.has_content {
            return Err(Refusal::Content);
        }
        Ok(())
    }

    fn deliver(&self, representation: Representation, pacer: Option<Arc<Pacer>>) -> Response<Body> {
        deliver(
            &self.parts.method,
            &self.parts.headers,
            representation,
            pacer,
        )
    }
}

/// `/`: the page, else a plain index.
async fn root(State(app): Shared, request: Request) -> Response<Body> {
    let asked = Asked::new(request);
    let answer = async {
        asked.check(PAGE_METHODS)?;
        let headers = asked.parts.headers.clone();
        let page = {
            let app = Arc::clone(&app);
            blocking(move || app.page.index(&headers)).await
        };
        let representation = match page {
            Err(Refusal::NotFound) => {
                let entries = app.entries().await;
                let media = "text/html; charset=utf-8";
                let headers = page_headers(INDEX_POLICY, &asked.parts.headers);
                made(listing::html(&entries), media, headers)
            }
            page => page?,
        };
        Ok(asked.deliver(representation, None))
    };
    answer
        .await
        .unwrap_or_else(|refusal: Refusal| refusal.response())
}

/// `/index.json`: the token files.
async fn index(State(app): Shared, request: Request) -> Response<Body> {
    let asked = Asked::new(request);
    let answer = async {
        asked.check(PAGE_METHODS)?;
        let entries = app.entries().await;
        let json = serde_json::to_string(&*entries)
            .map_err(|error| Refusal::Fault(format!("the index cannot be written: {error}")))?;
        let headers = page_headers(INDEX_POLICY, &asked.parts.headers);
        let representation = made(json, "application/json", headers);
        Ok(asked.deliver(representation, None))
    };
    answer
        .await
        .unwrap_or_else(|refusal: Refusal| refusal.response())
}

/// All other addresses: token files of the directory, else files of the page.
async fn file(
    State(app): Shared,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response<Body> {
    let asked = Asked::new(request);
    let name = Name::from_path(asked.parts.uri.path());
    if let Some(name) = &name
        && name.is_token_file()
    {
        let answer = token_file(app, connection, name.clone(), &asked).await;
        let mut response = answer.unwrap_or_else(|refusal| refusal.response());
        // Whatever the answer is, pages of other sites may read it.
        share(response.headers_mut());
        return response;
    }
    let answer = async {
        asked.check(PAGE_METHODS)?;
        let name = name.ok_or(Refusal::NotFound)?;
        let headers = asked.parts.headers.clone();
        let representation = blocking(move || app.page.select(&name, &headers)).await?;
        Ok(asked.deliver(representation, None))
    };
    answer
        .await
        .unwrap_or_else(|refusal: Refusal| refusal.response())
}

/// A token file, as it is stored or cut.
async fn token_file(
    app: Arc<App>,
    connection: Connection,
    name: Name,
    asked: &Asked,
) -> Result<Response<Body>, Refusal> {
    if asked.parts.method == Method::OPTIONS && !asked.has_content {
        return Ok(preflight());
    }
    asked.check(FILE_METHODS)?;
    let wish = Wish::of_query(asked.parts.uri.query())?;
    let adapts = wish.is_none() && app.options.adapt;
    let hinted = adapts.then(|| wish::hinted(&asked.parts.headers)).flatten();
    let path = name.to_path();
    let selected = blocking(move || app.store.select(&name, wish, hinted)).await?;
    let headers = file_headers(&selected, adapts, &path);
    let stored = selected.stored;
    let representation = Representation { stored, headers };
    Ok(asked.deliver(representation, connection.pacer))
}

/// What is said about a token file.
fn file_headers(selected: &Selected, adapts: bool, path: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    // Kept, but asked for each time, since the file may be replaced; never re-encoded on the way.
    let caching = HeaderValue::from_static("public, no-cache, no-transform");
    headers.insert(CACHE_CONTROL, caching);
    if adapts {
        headers.insert(VARY, HeaderValue::from_static(wish::VARY));
        let hints = HeaderValue::from_static(wish::ACCEPT_CH);
        headers.insert(HeaderName::from_static("accept-ch"), hints);
    }
    if let Some(tokens) = selected.tokens {
        headers.insert(HeaderName::from_static("flextok-tokens"), tokens.into());
        let location = HeaderValue::try_from(format!("{path}?tokens={tokens}"));
        if let (true, Ok(location)) = (selected.adapted, location) {
            headers.insert(CONTENT_LOCATION, location);
        }
    }
    headers
}

/// Lets pages of other sites read the answer.
fn share(headers: &mut HeaderMap) {
    // Those that scripts may not read anyway.
    const EXPOSED: &str =
        "Accept-Ranges, Content-Location, Content-Range, Date, ETag, Flextok-Tokens";
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// What browsers ask before a request with unusual headers.
fn preflight() -> Response<Body> {
    const HEADERS: &str = "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, \
        If-Unmodified-Since, Cache-Control, Save-Data, ECT, Downlink";
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    for (name, value) in [
        (ALLOW, FILE_METHODS),
        (ACCESS_CONTROL_ALLOW_METHODS, PAGE_METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// A text that was just made.
fn made(text: String, media: &'static str, mut headers: HeaderMap) -> Representation {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    let bytes = Bytes::from(text);
    let stored = Stored {
        tag: tag(&bytes),
        length: bytes.len() as u64,
        content: Content::Memory(bytes),
        modified: None,
    };
    Representation { stored, headers }
}

/// Reads files on the threads that are for waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // It panicked, or the runtime is going down.
        Err(_) => Err(Refusal::Fault(
            "the request could not be finished".to_owned(),
        )),
    }
}

impl App {
    async fn entries(&self) -> Arc<Vec<listing::Entry>> {
        let (limits, most) = (self.options.limits, self.options.listed);
        self.index.get(&self.store.folder, limits, most).await
    }
}
