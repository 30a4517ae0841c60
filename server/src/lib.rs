//! An HTTP server for `.flxt` files: whole, in ranges, or cut to what a link carries.
//!
//! A token file may be cut anywhere and still is a picture, so that a server needs no model and no
//! decoding to fit any link. This one serves a directory of such files, and the page that decodes
//! them in the browser. It links the container only; decoding is the receiver's.
//!
//! # Addresses
//!
//! | Address | Answer |
//! |---|---|
//! | `/NAME.flxt` | the stored file, with `Range`, `ETag`, conditions; also in folders |
//! | `/NAME.flxt?tokens=K` | a complete file of at most K tokens per canvas, without metadata |
//! | `/NAME.flxt?bytes=N` | a complete file of at most N bytes, without metadata |
//! | `/index.json` | an array of `name`, `url`, `bytes`, `width`, `height`, `tokens` |
//! | `/` | the page, else a plain index |
//! | `/api.js` … | files of the page |
//! | `/model.safetensors` | [`Options::model`], else the page's, else the embedded one |
//!
//! The cuts are those of `flextok truncate`: also where all tokens are asked for the metadata go. A truncated stored file is
//! served as it is, and cut as far as it goes. A corrupt one is served as it is too, since receivers
//! check what they get, but cannot be cut: the answer is 500 with the fault. An impossible budget is
//! 400 with what is allowed. Errors are one line of text.
//!
//! # Changes
//!
//! Files are looked at anew for each request. Replace one by renaming another to its name: an answer
//! that has begun then ends with the old content, while a large file that is overwritten in place
//! breaks it. The directory itself is opened once: one that is deleted and made again is another, and
//! needs another start.
//!
//! # Adaptation
//!
//! A request that asks for neither tokens nor bytes may be answered with fewer tokens, by what the
//! client says of its link; the smallest number counts:
//!
//! | Client hint | Tokens |
//! |---|---|
//! | `ECT: slow-2g`, `Downlink` below 0.05 Mbit/s | 4 |
//! | `ECT: 2g`, `Downlink` below 0.07 Mbit/s, `Save-Data: on` | 16 |
//! | `ECT: 3g`, `Downlink` below 0.7 Mbit/s | 64 |
//! | others, none | all |
//!
//! Such an answer has `Flextok-Tokens` and `Content-Location`, an `ETag` of its own, and no
//! `Last-Modified`: the stored file's date would not tell it from the whole, and `If-Range` with a
//! date could join parts of the two. A range is a range of what is chosen that way; a client that
//! wants all tokens whatever its link asks for `?tokens=256`.
//!
//! # Safety
//!
//! Only regular files named `*.flxt` beneath the directory are served, none that is hidden. Symbolic
//! links may point within it (relatively), not out of it; the operating system resolves names beneath
//! the directory, so that a change at the wrong moment leads nowhere else. Slow clients, large
//! headers and many connections are bounded by [`Options`]; when all connection slots are
//! taken, the connection that has been idle longest is closed for a new one. Token files may be read by pages of any
//! site (`Access-Control-Allow-Origin: *`): what is served is public.
//!
//! There is no TLS and no HTTP/2: put a proxy in front for these, one that sets `X-Forwarded-Proto` to
//! `https`: pages are isolated (`Cross-Origin-Opener-Policy`, `Cross-Origin-Embedder-Policy`) where
//! browsers let them be, over TLS or from a loopback address.

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

/// Raises this process's limit on open files, of which each connection is one, as far as it may;
/// gives the limit then.
///
/// # Errors
/// If the system refuses; the limit is then what it was.
pub fn raise_file_limit() -> std::io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}
