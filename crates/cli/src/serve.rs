//! `taffrail serve`, and the serving part of `taffrail dev`.

use crate::args::{Format, ServeOptions};
use crate::items::{Printer, Printing};
use crate::{EXIT_HOST_ERROR, EXIT_OK, progress, workers};
use anyhow::{Context, Result};
use std::io::{ErrorKind, IsTerminal, stdout};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use taffrail_runtime::{Runtime, TailConsumer};
use taffrail_server::Settings;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) async fn run(options: ServeOptions) -> Result<u8> {
    let default = if stdout().is_terminal() {
        Format::Pretty
    } else {
        Format::Json
    };
    let (consumers, printing) = printer(options.format.unwrap_or(default));
    let listener = listen(options.ip, options.port).await?;
    let runtime = workers::runtime(consumers)?;
    let given = &options.workers;
    let configs = workers::configure(&given.paths, given.env.as_deref(), &given.vars)?;
    workers::deploy_all(&runtime, &configs).await?;
    let settings = Settings {
        worker: configs[0].name.clone(),
        show_failures: false,
        grace: Duration::from_secs(options.grace),
    };
    let code = serve(listener, &runtime, settings).await?;
    drop(runtime);
    finish(printing);
    Ok(code)
}

/// The consumer that prints, unless nothing is to be printed.
pub(crate) fn printer(format: Format) -> (Vec<Arc<dyn TailConsumer>>, Option<Printing>) {
    if format == Format::None {
        return (Vec::new(), None);
    }
    let (printer, printing) = Printer::start(format);
    (vec![printer], Some(printing))
}

pub(crate) fn finish(printing: Option<Printing>) {
    if let Some(printing) = printing {
        printing.finish();
    }
}

/// Listens before anything is built, so that a taken port is known at once.
pub(crate) async fn listen(ip: IpAddr, port: u16) -> Result<TcpListener> {
    let address = SocketAddr::new(ip, port);
    TcpListener::bind(address).await.map_err(|error| {
        let next = match error.kind() {
            ErrorKind::AddrInUse => ": another program listens there; choose another one with `--port`, or `--port 0` for any free one",
            ErrorKind::PermissionDenied => ": a port below 1024 needs privileges; choose another one with `--port`",
            ErrorKind::AddrNotAvailable => ": this machine has no such address; choose another one with `--ip`",
            _ => "",
        };
        anyhow::Error::new(error).context(format!("cannot listen on {address}{next}"))
    })
}

/// Serves until a signal, and tells what was left behind.
pub(crate) async fn serve(
    listener: TcpListener,
    runtime: &Runtime,
    settings: Settings,
) -> Result<u8> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        progress::status("Stopping", "waiting for what is under way");
    };
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    progress::status("Ready", &format!("on http://{address}"));
    let stopped = taffrail_server::serve(listener, runtime.clone(), settings, shutdown).await?;
    if stopped.unfinished > 0 {
        progress::warning(&format!(
            "stopped with {} invocation(s) or item(s) unfinished after the grace period; `--grace` makes it longer",
            stopped.unfinished
        ));
        return Ok(EXIT_HOST_ERROR);
    }
    Ok(EXIT_OK)
}
