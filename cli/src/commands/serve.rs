//! `flextok serve`: an HTTP server for token files and the page that decodes them. No model is needed.

use std::fs::OpenOptions;
use std::io::Write;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::Args;
use flextok_server::{Options, Server};

use crate::context::Context;
use crate::exit::{CliError, report};
use crate::{interrupt, message, values};

/// Serve the .flxt files of a directory over HTTP, complete or cut to suit the client's connection
///
/// /NAME.flxt is a file and accepts range requests; with ?bytes=N appended, or ?tokens=K for files with
/// tokens, it is a complete file cut to that size, and the client hints Save-Data, ECT and Downlink select a cut
/// automatically. / is the page, /index.json the list of files. For files of a model other than the
/// embedded one the page needs that model: --model PATH serves it to the page. The server
/// computes nothing: --device, --precision and --no-mmap have no effect, and --threads is the number
/// of threads that answer requests, at most 256. The address is printed on standard error once the server
/// listens. To replace a file, rename a new one to its name; if DIR is deleted and created again,
/// restart the server. The first Ctrl-C or SIGTERM lets running responses finish (exit code 0); a
/// second one exits immediately.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Directory with .flxt files; subdirectories are served too, hidden files and
    /// names with control characters are not
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Port, as with --port
    #[arg(value_name = "PORT", conflicts_with = "port", value_parser = values::whole::<u16>(0..=65_535))]
    port_of: Option<u16>,

    /// Host name or address to listen on; 0.0.0.0 means all interfaces, [::1] is IPv6
    #[arg(long, default_value = "127.0.0.1")]
    host: String,

    /// Port to listen on; 0 selects a free one
    #[arg(
        long,
        default_value = "8080",
        value_name = "N",
        value_parser = values::whole::<u16>(0..=65_535)
    )]
    port: u16,

    /// Directory with the page's files, including index.html, instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    page: Option<PathBuf>,

    /// Limit token files to this rate on each connection, to watch pictures arrive
    #[arg(
        long,
        value_name = "BYTES_PER_SECOND",
        value_parser = values::whole::<u64>(1..=u64::MAX)
    )]
    rate: Option<u64>,

    /// Append the access log to this file instead of standard error, where --quiet omits it
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

pub(crate) fn run(args: &ServeArgs, context: &Context) -> Result<(), CliError> {
    let log = log(args, context)?;
    let mut options = Options::default();
    options.page.clone_from(&args.page);
    options.model.clone_from(&context.model);
    options.rate = args.rate.and_then(NonZeroU64::new);
    if let Ok(limit) = flextok_server::raise_file_limit() {
        // Each connection takes one descriptor and the file sent to it another; the program itself needs some.
        let connections = usize::try_from(limit.saturating_sub(32) / 2).unwrap_or(usize::MAX);
        options.connections = options.connections.min(connections);
    }
    let runtime = flextok_server::runtime(context.threads)?;
    runtime.block_on(async {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        interrupt::first(move || {
            // The receiver waits as long as the server runs.
            let _ = stop.send(());
        });
        let port = args.port_of.unwrap_or(args.port);
        let address = (args.host.as_str(), port);
        let mut server = Server::bind(&args.directory, address, options).await?;
        if !context.quiet || port == 0 {
            report(&format!("listening on http://{}/", server.local_addr()));
        }
        if let Some(log) = log {
            server = server.with_log(log)?;
        }
        server
            .run(async {
                let _ = stopped.await;
            })
            .await;
        Ok(())
    })
}

/// Where the access log goes, if anywhere.
fn log(args: &ServeArgs, context: &Context) -> Result<Option<Box<dyn Write + Send>>, CliError> {
    if let Some(path) = &args.log {
        return Ok(Some(open(path)?));
    }
    let standard = || Box::new(std::io::stderr()) as Box<dyn Write + Send>;
    Ok((!context.quiet).then(standard))
}

fn open(path: &Path) -> Result<Box<dyn Write + Send>, CliError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(|source| CliError::Write {
        name: message::name(path),
        source,
    })?;
    Ok(Box::new(file))
}
