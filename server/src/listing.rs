//! The index of token files, with what their headers say.

use std::fmt::{self, Write as _};
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use flextok_container::{Header, Limits, layout::MAX_HEADER_BYTES};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::folder::Folder;
use crate::name::Name;

/// Largest depth of subdirectories that are searched.
const MAX_DEPTH: usize = 16;

/// One file of `/index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// Path beneath the directory, parts joined by `/`.
    name: String,
    /// The same, as a URL path on this server.
    url: String,
    bytes: u64,
    /// Picture size in pixels.
    width: u32,
    height: u32,
    #[serde(flatten)]
    extent: Extent,
}

/// How much of a picture a file of this length has. The index reads no payload, so that it cannot say what is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Extent {
    Ids {
        /// Tokens per canvas.
        tokens: u32,
    },
    Coded {
        /// Bytes of payload that are there.
        bytes_have: u64,
        /// Bytes of payload of the whole file.
        bytes_total: u64,
    },
}

/// The cached listing. It is kept for four times as long as it took to make, so that any number of requests for the
/// index of a large directory takes at most a fifth of one processor.
#[derive(Debug, Default)]
pub(crate) struct Index {
    last: Mutex<Option<(Instant, Arc<Vec<Entry>>)>>,
}

impl Index {
    /// The current listing. Concurrent callers wait for the same result.
    pub(crate) async fn get(
        &self,
        folder: &Arc<Folder>,
        limits: Limits,
        most: usize,
    ) -> Arc<Vec<Entry>> {
        let mut last = self.last.lock().await;
        if let Some((until, entries)) = &*last
            && Instant::now() < *until
        {
            return Arc::clone(entries);
        }
        let start = Instant::now();
        let folder = Arc::clone(folder);
        let made = tokio::task::spawn_blocking(move || entries(&folder, &limits, most)).await;
        let entries = Arc::new(made.unwrap_or_default());
        let cost = start.elapsed().min(Duration::from_secs(60));
        *last = Some((Instant::now() + 4 * cost, Arc::clone(&entries)));
        entries
    }
}

/// At most `most` files, sorted by name. Blocks.
fn entries(folder: &Folder, limits: &Limits, most: usize) -> Vec<Entry> {
    let mut names = Vec::new();
    collect(folder.dir(), None, 0, most, &mut names);
    names.sort_by(|a: &Name, b| a.as_str().cmp(b.as_str()));
    let entry = |name| entry(folder, limits, name);
    names.iter().filter_map(entry).collect()
}

/// Collects the names of token files in `dir` and its subdirectories. Links to directories are not followed, since they
/// may form a cycle.
fn collect(dir: &Dir, within: Option<&Name>, depth: usize, most: usize, names: &mut Vec<Name>) {
    let Ok(entries) = dir.entries() else { return };
    for entry in entries.flatten() {
        if names.len() >= most {
            return;
        }
        let text = entry.file_name();
        let name = text.to_str().and_then(|text| Name::within(within, text));
        let Some((name, kind)) = name.zip(entry.file_type().ok()) else {
            continue;
        };
        if kind.is_dir() && depth < MAX_DEPTH {
            if let Ok(dir) = entry.open_dir() {
                collect(&dir, Some(&name), depth + 1, most, names);
            }
        } else if !kind.is_dir() && name.is_token_file() {
            names.push(name);
        }
    }
}

/// The entry of a file, from its header and length; `None` if it is not a token file.
fn entry(folder: &Folder, limits: &Limits, name: &Name) -> Option<Entry> {
    let opened = folder.file(name).ok()?;
    let mut start = Vec::new();
    let head = (&opened.file).take(MAX_HEADER_BYTES);
    { head }.read_to_end(&mut start).ok()?;
    let header = Header::parse(&start).ok()?;
    if opened.length > limits.max_file_bytes() {
        return None;
    }
    let bytes_have = header.layout().payload_within(opened.length);
    let extent = match header.as_ids() {
        Some(_) => Extent::Ids {
            tokens: header.layers_in(bytes_have),
        },
        None => Extent::Coded {
            bytes_have,
            bytes_total: header.payload_bytes(),
        },
    };
    Some(Entry {
        name: name.to_string(),
        url: name.to_path(),
        bytes: opened.length,
        width: header.size().width,
        height: header.size().height,
        extent,
    })
}

/// The index as a plain HTML page, for a server without a page.
pub(crate) fn html(entries: &[Entry]) -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>flextok</title>\n<h1>Files</h1>\n",
    );
    if entries.is_empty() {
        page.push_str("<p>There are no .flxt files.</p>\n");
    } else {
        page.push_str("<table>\n<tr><th>File<th>Bytes<th>Payload<th>Picture\n");
        for entry in entries {
            let Entry {
                url,
                bytes,
                extent,
                width,
                height,
                ..
            } = entry;
            let name = escaped(&entry.name);
            // <bdi> confines a change of writing direction to the name. Writing to a string does not fail.
            let _ = writeln!(
                page,
                "<tr><td><a href=\"{url}\"><bdi>{name}</bdi></a><td>{bytes}<td>{extent}<td>{width}×{height}"
            );
        }
        page.push_str("</table>\n");
    }
    page.push_str(
        "<p>Append <code>?bytes=256</code> to an address for a complete file of at most that size, or \
         <code>?tokens=16</code> where the payload is tokens; <a href=\"/index.json\">the same list as JSON</a>.\n\
         <p>This program was built without the page that decodes pictures in the browser. \
         <code>web/build.sh</code> makes it: build the program again afterwards, or start it with \
         <code>--page web/dist</code>.\n",
    );
    page
}

impl fmt::Display for Extent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ids { tokens: 1 } => write!(formatter, "1 token"),
            Self::Ids { tokens } => write!(formatter, "{tokens} tokens"),
            Self::Coded {
                bytes_have,
                bytes_total,
            } if bytes_have < bytes_total => {
                write!(formatter, "{bytes_have} of {bytes_total} bytes")
            }
            Self::Coded { bytes_total: 1, .. } => write!(formatter, "1 byte"),
            Self::Coded { bytes_total, .. } => write!(formatter, "{bytes_total} bytes"),
        }
    }
}

/// Text for HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
