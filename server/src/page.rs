//! The page's files: of a folder, else those that were embedded, and the model beside them.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hyper::HeaderMap;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderName, HeaderValue, VARY,
};

use crate::body::Content;
use crate::deliver::Representation;
use crate::error::Refusal;
use crate::folder::{Folder, Stored, Tag, tag};
use crate::host;
use crate::model::{DECODER, ModelFile, TABLES};
use crate::name::Name;
use crate::negotiation;

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// The name of the page itself.
const INDEX: &str = "index.html";

/// Files beyond this size are not compressed.
const COMPRESSED_MAX: u64 = 16 << 20;

/// Compressed files that are kept.
const KEPT: usize = 64;

/// Own scripts, workers, WebAssembly and styles; images also from memory; nothing of elsewhere.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
    worker-src 'self'; img-src 'self' blob:; style-src 'self'; object-src 'none'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'self'";

/// Where the page comes from, and what was compressed of it.
#[derive(Debug, Default)]
pub(crate) struct Page {
    folder: Option<Folder>,
    /// In place of the page's own model.
    model: Option<ModelFile>,
    compressed: Mutex<HashMap<Tag, Option<Bytes>>>,
}

impl Page {
    /// The page of a folder, in place of the embedded one.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let folder = Folder::open(path)?;
        let index = Name::within(None, INDEX).map(|name| folder.file(&name));
        if !matches!(index, Some(Ok(_))) {
            let problem = format!("no readable {INDEX}");
            return Err(io::Error::new(io::ErrorKind::NotFound, problem));
        }
        Ok(Self {
            folder: Some(folder),
            ..Self::default()
        })
    }

    /// The same page with this model beside it.
    pub(crate) fn with_model(self, model: Option<ModelFile>) -> Self {
        Self { model, ..self }
    }

    /// The page itself, if there is one. Blocks.
    pub(crate) fn index(&self, request: &HeaderMap) -> Result<Representation, Refusal> {
        let name = Name::within(None, INDEX).ok_or(Refusal::NotFound)?;
        self.select(&name, request)
    }

    /// One of its files, compressed if it is worth it and the client can read that. Blocks.
    pub(crate) fn select(
        &self,
        name: &Name,
        request: &HeaderMap,
    ) -> Result<Representation, Refusal> {
        let stored = self.find(name)?;
        let (media, text) = media_type(name.as_str());
        let mut headers = page_headers(POLICY, request);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        if !text {
            return Ok(Representation { stored, headers });
        }
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if accepts_gzip(request)
            && let Some(bytes) = self.compressed(&stored)?
        {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            let stored = Stored {
                tag: tag(&bytes),
                length: bytes.len() as u64,
                content: Content::Memory(bytes),
                // The date is the plain content's too: `If-Range` with it could join parts of the two.
                modified: None,
            };
            return Ok(Representation { stored, headers });
        }
        Ok(Representation { stored, headers })
    }

    fn find(&self, name: &Name) -> Result<Stored, Refusal> {
        if let Some(model) = &self.model {
            match name.as_str() {
                TABLES => return model.load(),
                // That of another model would not fit.
                DECODER => return Err(Refusal::NotFound),
                _ => {}
            }
        }
        let found = match &self.folder {
            Some(folder) => folder.file(name).and_then(|opened| folder.load(opened)),
            None => embedded(name.as_str()).ok_or(Refusal::NotFound),
        };
        match found {
            #[cfg(feature = "embedded-model")]
            Err(Refusal::NotFound) => builtin(name.as_str()).ok_or(Refusal::NotFound),
            found => found,
        }
    }

    /// The content in gzip; none if that is no shorter.
    fn compressed(&self, stored: &Stored) -> Result<Option<Bytes>, Refusal> {
        if stored.length > COMPRESSED_MAX {
            return Ok(None);
        }
        if let Some(kept) = self.kept().get(&stored.tag) {
            return Ok(kept.clone());
        }
        let unreadable = |_| Refusal::Fault("a file of the page cannot be read".to_owned());
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        match &stored.content {
            Content::Memory(bytes) => encoder.write_all(bytes).map_err(unreadable)?,
            Content::File(source) => {
                // Positions are absolute when it is sent, so that none has to be restored.
                let mut source = (&source.file).take(stored.length);
                std::io::copy(&mut source, &mut encoder).map_err(unreadable)?;
            }
        }
        let bytes = Bytes::from(encoder.finish().map_err(unreadable)?);
        let gain = (bytes.len() as u64) < stored.length;
        let bytes = gain.then_some(bytes);
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(stored.tag, bytes.clone());
        Ok(bytes)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Tag, Option<Bytes>>> {
        self.compressed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Isolates a page from other sites' windows, so that it may measure time finely and share memory with its workers.
const ISOLATION: [(&str, &str); 2] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
];

/// Headers of whatever makes up a page.
pub(crate) fn page_headers(policy: &'static str, request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Elsewhere browsers refuse it, and complain.
    if host::is_trusted(request) {
        for (name, value) in ISOLATION {
            let name = HeaderName::from_static(name);
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    for (name, value) in [
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, policy),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (HeaderName::from_static("accept-ch"), negotiation::ACCEPT_CH),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

/// The embedded files, each hashed once.
fn embedded(name: &str) -> Option<Stored> {
    static STORED: OnceLock<HashMap<&str, Stored>> = OnceLock::new();
    let make = |&(name, bytes)| (name, Stored::of_static(bytes));
    let stored = STORED.get_or_init(|| FILES.iter().map(make).collect());
    stored.get(name).cloned()
}

/// The parts of the embedded model, made and hashed once.
#[cfg(feature = "embedded-model")]
fn builtin(name: &str) -> Option<Stored> {
    static STORED: OnceLock<[Stored; 2]> = OnceLock::new();
    let stored = || {
        let flextok_models::Parts { tables, decoder } = flextok_models::split();
        [tables, decoder].map(|part| Stored::of_static(part.leak()))
    };
    let at = [TABLES, DECODER].iter().position(|part| *part == name)?;
    STORED.get_or_init(stored).get(at).cloned()
}

/// The media type that an extension stands for, and whether compression is worth a try.
fn media_type(name: &str) -> (&'static str, bool) {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => ("text/html; charset=utf-8", true),
        "js" | "mjs" => ("text/javascript; charset=utf-8", true),
        "css" => ("text/css; charset=utf-8", true),
        "json" | "map" => ("application/json", true),
        "webmanifest" => ("application/manifest+json", true),
        "wasm" => ("application/wasm", true),
        "svg" => ("image/svg+xml", true),
        "txt" | "md" | "ts" => ("text/plain; charset=utf-8", true),
        "png" => ("image/png", false),
        "jpg" | "jpeg" => ("image/jpeg", false),
        "webp" => ("image/webp", false),
        "gif" => ("image/gif", false),
        "ico" => ("image/x-icon", false),
        "woff2" => ("font/woff2", false),
        _ => ("application/octet-stream", false),
    }
}

/// Whether `Accept-Encoding` names gzip, or everything, with a weight above zero.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut gzip = None;
    let mut any = None;
    for value in request.get_all(ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = parameters.trim().strip_prefix("q=");
            let wanted = weight.is_none_or(|weight| weight.parse().is_ok_and(|q: f32| q > 0.0));
            match coding.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = Some(wanted),
                "*" => any = Some(wanted),
                _ => {}
            }
        }
    }
    gzip.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings() {
        let accepts = |value| {
            let value = HeaderValue::from_static(value);
            accepts_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, value)]))
        };
        for value in [
            "gzip",
            "br, gzip",
            "GZIP;q=0.5",
            "*",
            "deflate, *;q=0.1",
            "gzip;q=1,*;q=0",
        ] {
            assert!(accepts(value), "{value}");
        }
        for value in [
            "",
            "br",
            "identity",
            "gzip;q=0",
            "gzip;q=0.0, *",
            "*;q=0",
            "gzip;q=x",
        ] {
            assert!(!accepts(value), "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn scripts_and_modules_have_the_types_that_browsers_insist_on() {
        assert_eq!(media_type("a.js"), ("text/javascript; charset=utf-8", true));
        assert_eq!(media_type("b/flextok_bg.wasm"), ("application/wasm", true));
        assert_eq!(
            media_type("tables.safetensors"),
            ("application/octet-stream", false)
        );
        assert_eq!(media_type("api.d.ts").0, "text/plain; charset=utf-8");
    }
}
