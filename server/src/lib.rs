//! An HTTP server for `.flxt` files: whole, in ranges, or cut to what a link carries.
//!
//! A token file cut anywhere still decodes to a picture, so a server can adapt to any link without a model and
//! without decoding. This one serves a directory of such files and the page that decodes them in the browser.
//!
//! # Addresses
//!
//! | Address | Answer |
//! |---|---|
//! | `/NAME.flxt` | the stored file, with `Range`, `ETag` and conditional requests; also in subdirectories |
//! | `/NAME.flxt?tokens=K` | a complete file of at most K tokens per canvas, without metadata |
//! | `/NAME.flxt?bytes=N` | a complete file of at most N bytes, without metadata |
//! | `/index.json` | an array of `name`, `url`, `bytes`, `width`, `height`, `tokens` |
//! | `/` | the page, or a plain index if there is none |
//! | `/api.js` … | files of the page |
//! | `/model.safetensors` | [`Options::model`], else the page's, else the embedded one |
//!
//! Cuts are those of `flextok truncate`: they drop the metadata even if all tokens are requested. A truncated stored
//! file is served unchanged, and cut within the tokens it has. A corrupt file is served unchanged as well, since
//! receivers check it, but it cannot be cut: the server answers 500 and names the fault. If the requested number of
//! tokens or bytes is out of range, it answers 400 and states the allowed range. Each error is one line of text.
//!
//! # Changes
//!
//! The server opens files anew for each request. To replace a file, rename a new one over it: a response in progress
//! then completes with the old content, whereas overwriting a large file in place aborts it. The directory is opened
//! once; after deleting and recreating it, restart the server.
//!
//! # Adaptation
//!
//! A request that specifies neither tokens nor bytes may be answered with fewer tokens, depending on the client
//! hints about its link; the smallest number applies:
//!
//! | Client hint | Tokens |
//! |---|---|
//! | `ECT: slow-2g`, `Downlink` below 0.05 Mbit/s | 4 |
//! | `ECT: 2g`, `Downlink` below 0.07 Mbit/s, `Save-Data: on` | 16 |
//! | `ECT: 3g`, `Downlink` below 0.7 Mbit/s | 64 |
//! | others, none | all |
//!
//! Such a response has `Flextok-Tokens`, `Content-Location` and its own `ETag`, but no `Last-Modified`: both it and
//! the whole file would have the same date, and `If-Range` with that date could combine parts of the two. Ranges refer
//! to the adapted file; a client that wants all tokens regardless of its link requests `?tokens=256`.
//!
//! # Safety
//!
//! Only regular, non-hidden files named `*.flxt` beneath the directory are served. Relative symbolic links may point
//! within the directory, never out of it; the operating system enforces this while it resolves a name, so there is no
//! race with concurrent changes. Slow clients, large
//! headers and many connections are bounded by [`Options`]; when all connection slots are
//! taken, the connection that has been idle longest is closed for a new one. Pages of any
//! site may read token files (`Access-Control-Allow-Origin: *`): everything served is public.
//!
//! For TLS and HTTP/2, put a proxy in front that sets `X-Forwarded-Proto` to `https`. Pages are cross-origin isolated
//! (`Cross-Origin-Opener-Policy`, `Cross-Origin-Embedder-Policy`) where browsers permit it: over TLS or from a loopback
//! address.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod body;
mod conditional;
mod connection;
mod deliver;
mod error;
mod folder;
mod host;
mod listing;
mod log;
mod model;
mod name;
mod negotiation;
mod options;
mod page;
mod range;
mod routes;
mod server;
mod slots;
mod store;
mod stream;

pub use error::StartError;
pub use options::Options;
pub use server::Server;

/// Raises this process's limit on open files as far as the system permits and returns the new limit. Each connection
/// takes one.
///
/// # Errors
/// If the system refuses; the limit is then unchanged.
pub fn raise_file_limit() -> std::io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}
