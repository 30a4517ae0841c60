//! An HTTP server for `.flxt` files: whole, in ranges, or cut to what a link carries.
//!
//! A `.flxt` file cut anywhere still decodes to a picture, so a server can adapt to any link without a model and
//! without decoding. This one serves a directory of such files and the page that decodes them in the browser.
//!
//! # Addresses
//!
//! | Address | Answer |
//! |---|---|
//! | `/NAME.flxt` | the stored file, with `Range`, `ETag` and conditional requests; also in subdirectories |
//! | `/NAME.flxt?bytes=N` | the largest complete file of at most N bytes, without metadata |
//! | `/NAME.flxt?tokens=K` | a complete file of at most K tokens per canvas, without metadata; not of coded files |
//! | `/index.json` | an array of `name`, `url`, `bytes`, `width`, `height`, and `tokens` or `bytes_have`, `bytes_total` |
//! | `/` | the page, or a plain index if there is none |
//! | `/api.js` … | files of the page |
//! | `/tables.safetensors` | [`Options::model`], else the page's, else the tables of the embedded model |
//! | `/decoder.safetensors` | without [`Options::model`], the page's learned decoder, else the embedded model's |
//!
//! Cuts are those of `flextok truncate`: they drop the metadata even if nothing else is cut off. The response to a
//! request for a cut says how much is in it: `Flextok-Bytes`, bytes of coded payload, or `Flextok-Tokens`, tokens per
//! canvas. A truncated stored file is served unchanged, and cut within what it has. A damaged file is served unchanged as
//! well, since receivers check it and can go on with what is proven; but it cannot be cut, since a cut has checks of its own
//! that would hide the damage: the server answers 500, names the fault and says how much is proven. If the requested number
//! of tokens or bytes is out of range, or the file has no tokens, it answers 400 and states what is allowed. Each error is
//! one line of text.
//!
//! The index reads headers only: `bytes_have` of `bytes_total` bytes of payload follow from a file's length; whether they
//! are undamaged is for the reader of the file to find out.
//!
//! # Changes
//!
//! The server opens files anew for each request. To replace a file, rename a new one over it: a response in progress
//! then completes with the old content, whereas overwriting a large file in place aborts it. The directory is opened
//! once; after deleting and recreating it, restart the server.
//!
//! # Adaptation
//!
//! A request that specifies neither tokens nor bytes may be answered with a cut, depending on the client hints about
//! its link: of coded files to a number of bytes, of others to a number of tokens. The smallest applies:
//!
//! | Client hint | Bytes | Tokens |
//! |---|---|---|
//! | `ECT: slow-2g`, `Downlink` below 0.05 Mbit/s | 64 | 4 |
//! | `ECT: 2g`, `Downlink` below 0.07 Mbit/s, `Save-Data: on` | 256 | 16 |
//! | `ECT: 3g`, `Downlink` below 0.7 Mbit/s | 1024 | 64 |
//! | others, none | all | all |
//!
//! Such a response has `Flextok-Bytes` or `Flextok-Tokens`, `Content-Location` and its own `ETag`, but no
//! `Last-Modified`: both it and the whole file would have the same date, and `If-Range` with that date could combine parts
//! of the two. Ranges refer to the adapted file; a client that wants all of it regardless of its link requests a size that
//! no file has, such as `?bytes=99999999`.
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
mod threads;

pub use error::StartError;
pub use options::Options;
pub use server::Server;
pub use threads::{MAX_THREADS, runtime};

/// Raises this process's limit on open files as far as the system permits and returns the new limit. Each connection
/// takes one.
///
/// # Errors
/// If the system refuses; the limit is then unchanged.
pub fn raise_file_limit() -> std::io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}
