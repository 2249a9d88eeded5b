//! Stops and starts Workers of a running `dev` or `serve`, and queries their deliveries.
//!
//! A Unix socket takes one request for each connection and answers with one line. The answer to
//! `stop NAME` and `start NAME` is `ok`, the answer to `status` is a JSON array of deliveries.
//! Any other answer is an error message.

use crate::args::ControlOptions;
use crate::exit;
use crate::private;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use taffrail_runtime::Runtime;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream as Connection};
use tokio::task::JoinHandle;

/// Longer than any request that names a Worker.
const MAX_REQUEST_BYTES: u64 = 4096;

/// Listens for requests. Removes the socket when it is dropped.
pub(crate) struct Control {
    socket: PathBuf,
    /// The device and inode of the socket.
    identity: Option<(u64, u64)>,
    listening: JoinHandle<()>,
}

impl Control {
    pub(crate) fn listen(socket: &Path, runtime: Runtime) -> Result<Self> {
        let listener = private::bind(socket)
            .and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(UnixListener::from_std(listener)?)
            })
            .with_context(|| format!("`--control {}`: cannot listen there", socket.display()))?;
        let listening = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection, runtime.clone()));
            }
        });
        Ok(Self {
            identity: private::identity(socket),
            socket: socket.to_owned(),
            listening,
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.listening.abort();
        if self.identity.is_some() && self.identity == private::identity(&self.socket) {
            _ = fs::remove_file(&self.socket);
        }
    }
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
    let answer = act(request.trim(), &runtime).unwrap_or_else(|error| error);
    // If this fails, the client has already disconnected.
    _ = writer.write_all(format!("{answer}\n").as_bytes()).await;
}

fn act(request: &str, runtime: &Runtime) -> Result<String, String> {
    let done = match request.split_once(' ') {
        Some(("stop", worker)) => runtime.stop(worker),
        Some(("start", worker)) => runtime.start(worker),
        None if request == "status" => {
            let deliveries = serde_json::to_string(&runtime.deliveries());
            return deliveries.map_err(|error| error.to_string());
        }
        _ => return Err(format!("`{request}` is not a request")),
    };
    done.map(|()| "ok".to_owned())
        .map_err(|error| error.to_string())
}

/// Sends a request to stop or start a Worker to the listening process.
pub(crate) fn request(verb: &str, options: &ControlOptions) -> Result<u8> {
    let answer = ask(&options.control, &format!("{verb} {}", options.worker))?;
    if answer != "ok" {
        bail!("{answer}");
    }
    Ok(exit::OK)
}

/// Sends a request to the listening process and returns its answer.
pub(crate) fn ask(socket: &Path, request: &str) -> Result<String> {
    let shown = socket.display();
    let mut connection = UnixStream::connect(socket).with_context(|| {
        format!(
            "nothing listens on `{shown}`; start `taffrail serve` or `dev` with `--control {shown}`"
        )
    })?;
    writeln!(connection, "{request}")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.trim().to_owned())
}
