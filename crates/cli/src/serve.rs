//! `taffrail serve`, and the serving part of `taffrail dev`.

use crate::args::{Format, ServeOptions};
use crate::control::Control;
use crate::crons::Crons;
use crate::items::{Printer, Printing};
use crate::workers::{self, Platform};
use crate::{EXIT_HOST_ERROR, EXIT_OK, progress};
use anyhow::{Context, Result, anyhow};
use std::io::{self, ErrorKind, IsTerminal, stdout};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use taffrail_runtime::{Runtime, TailConsumer};
use taffrail_server::Settings;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

pub(crate) async fn run(options: ServeOptions) -> Result<u8> {
    let default = if stdout().is_terminal() {
        Format::Pretty
    } else {
        Format::Json
    };
    let (consumers, printing) = printer(options.format.unwrap_or(default));
    let listener = listen(options.ip, options.port).await?;
    let configs = workers::configure(&options.workers)?;
    let platform = Platform::new(consumers, &configs, options.workers.env.clone())?;
    platform.deploy_all(&configs).await?;
    let mut crons = Crons::new(platform.runtime());
    configs.iter().for_each(|worker| crons.set(worker));
    let runtime = platform.runtime();
    let settings = Settings {
        worker: configs[0].name.clone(),
        show_failures: false,
        triggers: false,
        grace: Duration::from_secs(options.grace),
    };
    let control = control(&options, runtime)?;
    let code = serve(listener, runtime, settings, crons).await?;
    drop((control, platform));
    finish(printing);
    Ok(code)
}

/// The socket for `taffrail stop`, if one is wanted.
pub(crate) fn control(options: &ServeOptions, runtime: &Runtime) -> Result<Option<Control>> {
    let listen = |socket| Control::listen(socket, runtime.clone());
    options.control.as_deref().map(listen).transpose()
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
        let cause = match error.kind() {
            ErrorKind::AddrInUse => "another program listens there; choose another port with `--port`, or any free one with `--port 0`",
            ErrorKind::PermissionDenied => "a port below 1024 needs privileges; choose another port with `--port`",
            ErrorKind::AddrNotAvailable => "this machine has no such address; choose another address with `--ip`",
            _ => return anyhow!("cannot listen on {address}: {error}"),
        };
        anyhow!("cannot listen on {address}: {cause}")
    })
}

/// Serves until a signal, and tells what was left behind. `active` is what
/// starts events by itself, and is dropped at the signal.
pub(crate) async fn serve(
    listener: TcpListener,
    runtime: &Runtime,
    settings: Settings,
    active: impl Send + 'static,
) -> Result<u8> {
    let mut signals = StopSignals::listen()?;
    let (stop, stopping) = oneshot::channel();
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    progress::status("Ready", &format!("on http://{address}"));
    let shutdown = async { _ = stopping.await };
    let served = taffrail_server::serve(listener, runtime.clone(), settings, shutdown);
    let stopped_twice = async {
        signals.next().await;
        drop(active);
        progress::status(
            "Stopping",
            "once everything under way has ended; a second signal stops at once",
        );
        _ = stop.send(());
        signals.next().await;
    };
    let unfinished = tokio::select! {
        stopped = served => stopped?.unfinished,
        () = stopped_twice => runtime.pending(),
    };
    if unfinished == 0 {
        return Ok(EXIT_OK);
    }
    progress::warning(&format!(
        "stopped with {unfinished} invocation(s) or item(s) unfinished; `--grace` gives them more time"
    ));
    Ok(EXIT_HOST_ERROR)
}

/// The signals by which a user or a process manager asks for the end.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
