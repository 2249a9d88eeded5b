//! Where a running `dev` or `serve` is controlled, from both ends.

use crate::args::{At, ControlOptions, DEFAULT_CONTROL};
use crate::{exit, private, progress};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_control::{Address, Client, Control, Listener, Metrics, Tails, Token};
use taffrail_project::config::WorkerConfig;
use taffrail_runtime::{Runtime, make_store_directory};
use tokio::net::{TcpListener, UnixListener};

/// The directory of the data of Workers, from that of the first Worker.
pub(crate) const DATA: &str = ".taffrail";

/// Listens, before there is anything to control.
pub(crate) struct Bound {
    listener: Listener,
    file: OwnFile,
    /// The address that no Worker may reach.
    pub(crate) loopback: Option<SocketAddr>,
    /// The consumer that feeds live tails.
    pub(crate) tails: Arc<Tails>,
    pub(crate) metrics: Arc<Metrics>,
    /// The directory of the data of Workers.
    data: PathBuf,
}

/// A running control endpoint, and its file.
pub(crate) struct Controlled {
    control: Control,
    file: OwnFile,
    loopback: Option<SocketAddr>,
}

/// A socket or the file of a token. Removed when this is dropped, unless something else has taken
/// its place.
struct OwnFile {
    path: PathBuf,
    /// The device and inode.
    identity: Option<(u64, u64)>,
}

impl OwnFile {
    fn new(path: &Path) -> Self {
        Self {
            identity: private::identity(path),
            path: path.to_owned(),
        }
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if self.identity.is_some() && self.identity == private::identity(&self.path) {
            _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens where the user says, or beside the first Worker. Without a place there, `None` and a
/// warning.
pub(crate) async fn bind(
    chosen: Option<&Address>,
    workers: &[WorkerConfig],
) -> Result<Option<Bound>> {
    let data = workers.first().map(|first| first.dir.join(DATA));
    let data = data.unwrap_or_default();
    if let Some(address) = chosen {
        let bound = match address {
            Address::Socket(path) => bind_socket(path, data),
            Address::Loopback(address) => bind_loopback(*address, data).await,
        };
        let bound = bound.with_context(|| format!("`--control {address}`: cannot listen there"))?;
        return Ok(Some(bound));
    }
    let Some(first) = workers.first() else {
        return Ok(None);
    };
    let path = first.dir.join(DEFAULT_CONTROL);
    let made = path.parent().map_or(Ok(()), make_store_directory);
    match made
        .map_err(Into::into)
        .and_then(|()| bind_socket(&path, data))
    {
        Ok(bound) => Ok(Some(bound)),
        Err(error) => {
            progress::warning(&format!(
                "`taffrail tail`, `stop`, `start` and `status` cannot reach this process, since it cannot listen on `{}`: {error:#}. `--control` chooses another place",
                path.display()
            ));
            Ok(None)
        }
    }
}

fn bind_socket(path: &Path, data: PathBuf) -> Result<Bound> {
    let listener = private::bind(path)?;
    let file = OwnFile::new(path);
    listener.set_nonblocking(true)?;
    Ok(Bound {
        listener: Listener::Unix(UnixListener::from_std(listener)?),
        file,
        loopback: None,
        tails: Tails::new(),
        metrics: Metrics::new(),
        data,
    })
}

async fn bind_loopback(address: SocketAddr, data: PathBuf) -> Result<Bound> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let token = Token::random();
    let path = token_file(address)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    writeln!(file, "{}", token.as_str())?;
    file.persist(&path)?;
    Ok(Bound {
        listener: Listener::Loopback(listener, token),
        file: OwnFile::new(&path),
        loopback: Some(address),
        tails: Tails::new(),
        metrics: Metrics::new(),
        data,
    })
}

/// Returns the file for the token of a process that is controlled at this address.
fn token_file(address: SocketAddr) -> Result<PathBuf> {
    let directory = private::kept_cache()?.join("control");
    make_store_directory(&directory)
        .with_context(|| format!("`{}` cannot be made", directory.display()))?;
    let mode = fs::metadata(&directory)?.mode();
    ensure!(
        mode & 0o077 == 0,
        "other users have access to `{}`; remove it",
        directory.display()
    );
    Ok(directory.join(format!("{address}.token")))
}

impl Bound {
    /// Serves the endpoint in the background.
    pub(crate) fn start(self, runtime: &Runtime) -> Result<Controlled> {
        Ok(Controlled {
            control: Control::start(
                self.listener,
                runtime.clone(),
                self.tails,
                self.metrics,
                &self.data,
            )?,
            file: self.file,
            loopback: self.loopback,
        })
    }
}

impl Controlled {
    /// Says where a loopback address and its token are: the user may not know the port.
    pub(crate) fn report(&self) {
        if let Some(address) = self.loopback {
            let file = self.file.path.display();
            progress::status(
                "Controlled",
                &format!("on http://{address} with the token in {file}"),
            );
        }
    }

    /// Ends live tails once their clients have received what waits. Slow clients may delay this
    /// for as long as the caller waits.
    pub(crate) async fn finish(self) {
        self.control.finish().await;
    }
}

/// Returns a client of the process at an address.
pub(crate) fn client(at: &At) -> Result<Client> {
    let token = match &at.control {
        Address::Socket(_) => None,
        Address::Loopback(address) => Some(token(*address)?),
    };
    Ok(Client::new(at.control.clone(), token))
}

fn token(address: SocketAddr) -> Result<Token> {
    let file = token_file(address)?;
    let token = fs::read_to_string(&file).with_context(|| {
        format!(
            "there is no token for `{address}` in `{}`; start `taffrail serve` or `dev` with `--control {address}` as the same user",
            file.display()
        )
    })?;
    Ok(token.trim().to_owned().into())
}

/// `taffrail stop`
pub(crate) async fn stop(options: &ControlOptions) -> Result<u8> {
    client(&options.at)?.stop(&options.worker).await?;
    Ok(exit::OK)
}

/// `taffrail start`
pub(crate) async fn start(options: &ControlOptions) -> Result<u8> {
    client(&options.at)?.start(&options.worker).await?;
    Ok(exit::OK)
}
