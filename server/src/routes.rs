//! The routing layer: what is at which address, and which headers an answer has.

use std::sync::Arc;

use bytes::Bytes;
use flextok_container::MEDIA_TYPE;
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LOCATION,
    CONTENT_TYPE, HeaderName, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use crate::body::{Body, Content, Pacer, full};
use crate::deliver::{Representation, deliver};
use crate::error::Refusal;
use crate::folder::{Stored, tag};
use crate::host;
use crate::listing::{self, Index};
use crate::name::Name;
use crate::negotiation::{self, Allowance, Budget};
use crate::options::Options;
use crate::page::{Page, page_headers};
use crate::store::{Extent, Selected, Store};

/// Headers of every answer.
const COMMON_HEADERS: [(HeaderName, &str); 1] = [(X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// Headers of every answer about a token file, refusals included: pages of other sites may read it.
const TOKEN_FILE_HEADERS: [(HeaderName, &str); 3] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    // Headers that scripts cannot read by default.
    (
        ACCESS_CONTROL_EXPOSE_HEADERS,
        "Accept-Ranges, Content-Location, Content-Range, Date, ETag, Flextok-Bytes, \
         Flextok-Tokens",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "cross-origin",
    ),
];

/// Headers of the answer to a preflight request, which browsers send before one with unusual headers.
const PREFLIGHT_HEADERS: [(HeaderName, &str); 3] = [
    (ALLOW, FILE_METHODS),
    (ACCESS_CONTROL_ALLOW_METHODS, PAGE_METHODS),
    (ACCESS_CONTROL_MAX_AGE, "86400"),
];

/// Request headers that the answer to a preflight request permits besides client hints.
const PERMITTED_HEADERS: &str = "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, \
    If-Unmodified-Since, Cache-Control";

/// Methods of token files, and of everything else.
const FILE_METHODS: &str = "GET, HEAD, OPTIONS";
const PAGE_METHODS: &str = "GET, HEAD";

/// The plain index loads nothing.
const INDEX_POLICY: &str = "default-src 'none'; img-src data:; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'self'";

/// The state that all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) options: Options,
    pub(crate) store: Store,
    pub(crate) page: Page,
    pub(crate) index: Index,
}

/// A request without its body, of which only the presence matters.
struct Head {
    parts: Parts,
    has_body: bool,
}

/// The answer to `request`. `pacer` limits the rate of token files on its connection.
pub(crate) async fn respond(
    app: Arc<App>,
    pacer: Option<Arc<Pacer>>,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    let head = Head { parts, has_body };
    let response = route(app, pacer, &head).await;
    let mut response = response.unwrap_or_else(|refusal| refusal.response());
    insert(response.headers_mut(), &COMMON_HEADERS);
    response
}

/// Dispatches a request by its path.
async fn route(
    app: Arc<App>,
    pacer: Option<Arc<Pacer>>,
    head: &Head,
) -> Result<Response<Body>, Refusal> {
    host::check(head.parts.version, &head.parts.headers)?;
    match head.parts.uri.path() {
        "/" => root(app, head).await,
        "/index.json" => index(app, head).await,
        path => match Name::from_path(path) {
            Some(name) if name.is_token_file() => {
                let response = token_file(app, pacer, name, head).await;
                let mut response = response.unwrap_or_else(|refusal| refusal.response());
                insert(response.headers_mut(), &TOKEN_FILE_HEADERS);
                Ok(response)
            }
            name => page_file(app, name, head).await,
        },
    }
}

impl Head {
    /// Refuses methods other than GET and HEAD, naming those `allowed`, and requests with a body.
    fn check(&self, allowed: &'static str) -> Result<(), Refusal> {
        if self.parts.method != Method::GET && self.parts.method != Method::HEAD {
            return Err(Refusal::Method(allowed));
        }
        if self.has_body {
            return Err(Refusal::Body);
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

/// `/`: the page, or a plain index if there is none.
async fn root(app: Arc<App>, head: &Head) -> Result<Response<Body>, Refusal> {
    head.check(PAGE_METHODS)?;
    let headers = head.parts.headers.clone();
    let shared = Arc::clone(&app);
    let representation = match blocking(move || shared.page.index(&headers)).await {
        Err(Refusal::NotFound) => {
            let html = listing::html(&app.entries().await);
            let headers = page_headers(INDEX_POLICY, &head.parts.headers);
            generated(html, "text/html; charset=utf-8", headers)
        }
        page => page?,
    };
    Ok(head.deliver(representation, None))
}

/// `/index.json`: the list of token files.
async fn index(app: Arc<App>, head: &Head) -> Result<Response<Body>, Refusal> {
    head.check(PAGE_METHODS)?;
    let entries = app.entries().await;
    let json = serde_json::to_string(&*entries)
        .map_err(|error| Refusal::Fault(format!("cannot write the index: {error}")))?;
    let headers = page_headers(INDEX_POLICY, &head.parts.headers);
    Ok(head.deliver(generated(json, "application/json", headers), None))
}

/// Any other address that is not a token file: a file of the page.
async fn page_file(
    app: Arc<App>,
    name: Option<Name>,
    head: &Head,
) -> Result<Response<Body>, Refusal> {
    head.check(PAGE_METHODS)?;
    let name = name.ok_or(Refusal::NotFound)?;
    let headers = head.parts.headers.clone();
    let representation = blocking(move || app.page.select(&name, &headers)).await?;
    Ok(head.deliver(representation, None))
}

/// A token file, as stored or cut.
async fn token_file(
    app: Arc<App>,
    pacer: Option<Arc<Pacer>>,
    name: Name,
    head: &Head,
) -> Result<Response<Body>, Refusal> {
    if head.parts.method == Method::OPTIONS && !head.has_body {
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        insert(response.headers_mut(), &PREFLIGHT_HEADERS);
        let permitted = format!("{PERMITTED_HEADERS}, {}", negotiation::VARY);
        if let Ok(permitted) = HeaderValue::try_from(permitted) {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, permitted);
        }
        return Ok(response);
    }
    head.check(FILE_METHODS)?;
    let budget = Budget::from_query(head.parts.uri.query())?;
    let adapts = budget.is_none() && app.options.adapt;
    let hinted = adapts
        .then(|| Allowance::hinted(&head.parts.headers))
        .flatten();
    let path = name.to_path();
    let selected = blocking(move || app.store.select(&name, budget, hinted)).await?;
    let headers = token_file_headers(&selected, adapts, &path);
    let stored = selected.stored;
    Ok(head.deliver(Representation { stored, headers }, pacer))
}

/// Headers that describe a token file.
fn token_file_headers(selected: &Selected, adapts: bool, path: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    // Caches revalidate each time, since the file may be replaced, and proxies must not re-encode it.
    let caching = HeaderValue::from_static("public, no-cache, no-transform");
    headers.insert(CACHE_CONTROL, caching);
    if adapts {
        headers.insert(VARY, HeaderValue::from_static(negotiation::VARY));
        let hints = HeaderValue::from_static(negotiation::ACCEPT_CH);
        headers.insert(HeaderName::from_static("accept-ch"), hints);
    }
    if let Some(extent) = selected.extent {
        let (name, count, size) = match extent {
            Extent::Tokens(tokens) => ("flextok-tokens", tokens.into(), format!("tokens={tokens}")),
            // A file fits its own length, and no larger one does.
            Extent::Bytes(have) => {
                let length = selected.stored.length;
                ("flextok-bytes", have, format!("bytes={length}"))
            }
        };
        headers.insert(HeaderName::from_static(name), count.into());
        let location = HeaderValue::try_from(format!("{path}?{size}"));
        if let (true, Ok(location)) = (selected.adapted, location) {
            headers.insert(CONTENT_LOCATION, location);
        }
    }
    headers
}

fn insert(headers: &mut HeaderMap, fields: &[(HeaderName, &'static str)]) {
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A text generated for this request.
fn generated(text: String, media: &'static str, mut headers: HeaderMap) -> Representation {
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

/// Reads files on the runtime's threads for blocking work.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // It panicked, or the runtime is shutting down.
        Err(_) => Err(Refusal::Fault("cannot complete the request".to_owned())),
    }
}

impl App {
    async fn entries(&self) -> Arc<Vec<listing::Entry>> {
        let (limits, most) = (self.options.limits, self.options.listed);
        self.index.get(&self.store.folder, limits, most).await
    }
}
