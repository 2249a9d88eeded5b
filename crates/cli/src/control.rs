//! Stopping and starting a Worker of a `dev` or `serve` that runs already.
//!
//! A Unix socket takes one request a connection, `stop NAME` or `start NAME`,
//! and answers with one line: `ok`, or what is wrong.

use crate::EXIT_OK;
use crate::args::ControlOptions;
use anyhow::{Context, Result, bail};
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use taffrail_runtime::Runtime;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream as Connection};
use tokio::task::JoinHandle;

/// Longer than any request with a Worker's name in it.
const MAX_REQUEST_BYTES: u64 = 4096;

/// Listens for requests until it is dropped, and then removes the socket.
pub(crate) struct Control {
    socket: PathBuf,
    listening: JoinHandle<()>,
}

impl Control {
    pub(crate) fn listen(socket: &Path, runtime: Runtime) -> Result<Self> {
        let listener = bind(socket)
            .with_context(|| format!("`--control {}`: cannot listen there", socket.display()))?;
        let listening = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, runtime.clone()));
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            listening,
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.listening.abort();
        _ = fs::remove_file(&self.socket);
    }
}

fn bind(socket: &Path) -> Result<UnixListener> {
    let listener = match UnixListener::bind(socket) {
        // Left behind by a process that was killed.
        Err(error)
            if error.kind() == ErrorKind::AddrInUse && UnixStream::connect(socket).is_err() =>
        {
            fs::remove_file(socket)?;
            UnixListener::bind(socket)?
        }
        listener => listener?,
    };
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn answer(mut connection: Connection, runtime: Runtime) {
    let (reader, mut writer) = connection.split();
    let mut request = String::new();
    let read = BufReader::new(reader.take(MAX_REQUEST_BYTES))
        .read_line(&mut request)
        .await;
    if read.is_err() {
        return;
    }
    let answer = match request.trim().split_once(' ') {
        Some(("stop", worker)) => runtime.stop(worker).map_err(|error| error.to_string()),
        Some(("start", worker)) => runtime.start(worker).map_err(|error| error.to_string()),
        _ => Err(format!("`{}` is no request", request.trim())),
    };
    let answer = answer.map_or_else(|error| error, |()| "ok".to_owned());
    // Whoever asked has gone, if this fails.
    _ = writer.write_all(format!("{answer}\n").as_bytes()).await;
}

/// Sends a request to the process that listens.
pub(crate) fn request(verb: &str, options: &ControlOptions) -> Result<u8> {
    let socket = options.control.display();
    let mut connection = UnixStream::connect(&options.control).with_context(|| {
        format!("nothing listens on `{socket}`; start `taffrail serve` or `dev` with `--control {socket}`")
    })?;
    writeln!(connection, "{verb} {}", options.worker)?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    if answer.trim() != "ok" {
        bail!("{}", answer.trim());
    }
    Ok(EXIT_OK)
}
