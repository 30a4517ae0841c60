//! The server: its socket, its connections, its end.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs, lookup_host};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection::{Shared, serve};
use crate::error::StartError;
use crate::folder::Folder;
use crate::listing::Index;
use crate::log::{Log, Writing};
use crate::model::ModelFile;
use crate::options::Options;
use crate::page::Page;
use crate::routes::App;
use crate::slots::Slots;
use crate::store::Store;

/// Connections that the system holds until they are accepted.
const BACKLOG: u32 = 4096;

/// Bytes of an answer that the system takes before it can send them. With the megabytes that it takes otherwise, a slow
/// client does nothing that shows for longer than one may stall, and costs as much memory.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 << 10;

/// A server of one directory, listening but not yet answering.
///
/// ```
/// use flextok_server::{Options, Server};
/// use std::io::{Read, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # flextok_server::runtime(1)?.block_on(async {
/// let directory = tempfile::tempdir()?;
/// let server = Server::bind(directory.path(), ("127.0.0.1", 0), Options::default()).await?;
/// let address = server.local_addr();
///
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let running = tokio::spawn(server.run(async { stopped.await.unwrap_or_default() }));
///
/// let answer = tokio::task::spawn_blocking(move || {
///     let mut stream = std::net::TcpStream::connect(address)?;
///     stream.write_all(b"GET /index.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer)?;
///     Ok::<_, std::io::Error>(answer)
/// }).await??;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("[]"));
///
/// drop(stop);
/// running.await?;
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
    log: Log,
    writing: Option<Writing>,
}

impl Server {
    /// Opens `directory` and listens at a host, by its name or address, and a port, of which 0 is any
    /// free one.
    ///
    /// # Errors
    /// [`StartError`] if the directory, the page's directory, the model or the address cannot be had.
    pub async fn bind(
        directory: impl AsRef<Path>,
        (host, port): (&str, u16),
        options: Options,
    ) -> Result<Self, StartError> {
        let path = directory.as_ref();
        let folder = Folder::open(path).map_err(|source| StartError::Directory {
            path: path.to_owned(),
            source,
        })?;
        let open = |path: &PathBuf| {
            Page::open(path).map_err(|source| StartError::Page {
                path: path.clone(),
                source,
            })
        };
        let page = options.page.as_ref().map(open).transpose()?;
        let open = |path: &PathBuf| {
            ModelFile::open(path).map_err(|source| StartError::Model {
                path: path.clone(),
                source,
            })
        };
        let model = options.model.as_ref().map(open).transpose()?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let listening = async {
            let listener = listen((host, port)).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listening.await.map_err(|source| StartError::Listen {
            address: match host.contains(':') {
                true => format!("[{host}]:{port}"),
                false => format!("{host}:{port}"),
            },
            source,
        })?;
        let store = Store::new(folder, options.limits, options.memory);
        let app = Arc::new(App {
            options,
            store,
            page: page.unwrap_or_default().with_model(model),
            index: Index::default(),
        });
        let (log, writing) = (Log::default(), None);
        Ok(Self {
            listener,
            address,
            app,
            log,
            writing,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Writes a line for each request to `log`, in the combined log format, from a thread of its own.
    ///
    /// # Errors
    /// [`StartError::Log`] if the system does not give that thread.
    pub fn with_log(mut self, log: Box<dyn Write + Send>) -> Result<Self, StartError> {
        let (log, writing) = Log::new(log).map_err(|source| StartError::Log { source })?;
        (self.log, self.writing) = (log, Some(writing));
        Ok(self)
    }

    /// Answers requests until `shutdown` is ready; then accepts no more, closes connections without a
    /// whole request and gives running answers [`Options::grace`] to end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener,
            app,
            log,
            writing,
            ..
        } = self;
        let (stop, stopped) = watch::channel(false);
        let grace = app.options.grace;
        let shared = Shared {
            app,
            log,
            stop: stopped,
        };
        let mut connections = JoinSet::new();
        tokio::select! {
            biased;
            () = shutdown => {}
            () = accept_all(&listener, &shared, &mut connections) => {}
        }
        drop(listener);
        // No receiver is an idle server, and fine.
        let _ = stop.send(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(grace, ended).await.is_err() {
            connections.shutdown().await;
        }
        drop(shared);
        if let Some(writing) = writing {
            let _ = tokio::task::spawn_blocking(|| writing.join()).await;
        }
    }
}

/// Listens at the first of the addresses that lets it.
async fn listen(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in lookup_host(address).await? {
        match listen_at(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that starts again need not wait for old connections; elsewhere it would share the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it. A system that does not know it holds more.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT);
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections for ever, no more at a time than allowed.
async fn accept_all(listener: &TcpListener, shared: &Shared, connections: &mut JoinSet<()>) {
    let slots = Arc::new(Slots::new(shared.app.options.connections));
    loop {
        // What ended is let go of.
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let slot = Arc::clone(&slots).acquire().await;
                connections.spawn(serve(stream, peer, shared.clone(), slot));
            }
            Err(error) if of_one_connection(&error) => {}
            // Out of descriptors or memory: the connection stays where it is until something is freed.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Errors that accepting passes on from a connection that is gone already.
fn of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
