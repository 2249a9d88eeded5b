//! `taffrail serve`, and the server of `taffrail dev`.

use crate::args::{Format, ServeOptions};
use crate::control::{self, Controlled};
use crate::items::{Printer, Printing};
use crate::workers;
use crate::{exit, progress, status};
use anyhow::{Context, Result, anyhow};
use std::io::{self, ErrorKind, IsTerminal, stdout};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use taffrail_project::{Crons, Project};
use taffrail_runtime::{Delivery, TailConsumer};
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
    let (consumers, printing) = printer(options.format.unwrap_or(default))?;
    let listener = listen(options.ip, options.port).await?;
    let configs = workers::configure(&options.workers, false)?;
    let control = control::bind(options.control.as_ref(), &configs).await?;
    let env = options.workers.env.clone();
    let opened = workers::open_exporting(consumers, control.as_ref(), options.ip, &configs, env)?;
    opened.project.deploy_all(&configs).await?;
    let runtime = opened.project.runtime();
    let mut crons = Crons::new(runtime);
    configs.iter().for_each(|worker| crons.set(worker));
    let settings = Settings {
        grace: Duration::from_secs(options.grace),
        ..Settings::new(&configs[0].name)
    };
    let control = control.map(|bound| bound.start(runtime)).transpose()?;
    let project = &opened.project;
    let code = serve(listener, project, settings, crons, control, printing).await?;
    drop(opened);
    Ok(code)
}

/// Consumers of the items of all Workers.
type Consumers = Vec<Arc<dyn TailConsumer>>;

/// Returns the consumer that prints items, if there is a format for them.
pub(crate) fn printer(format: Format) -> Result<(Consumers, Option<Printing>)> {
    if format == Format::None {
        return Ok((Vec::new(), None));
    }
    let (printer, printing) = Printer::start(format).context("stdout cannot be used")?;
    Ok((vec![printer], Some(printing)))
}

/// Listens before anything is built, so that a port in use is reported at once.
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

/// How long stdout may take for the last items after the grace period, and after a second signal.
const LAST_ITEMS: Duration = Duration::from_secs(2);
const AT_ONCE: Duration = Duration::from_millis(500);

/// Serves until a signal, and reports what remained unfinished. `active` starts events by itself,
/// and is dropped at the signal.
pub(crate) async fn serve(
    listener: TcpListener,
    project: &Project,
    settings: Settings,
    active: impl Send + 'static,
    control: Option<Controlled>,
    mut printing: Option<Printing>,
) -> Result<u8> {
    let runtime = project.runtime();
    let mut signals = StopSignals::listen()?;
    let (stop, stopping) = oneshot::channel();
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    project.deliver_unfinished();
    progress::status("Ready", &format!("on http://{address}"));
    if let Some(control) = &control {
        control.report();
    }
    let shutdown = async { _ = stopping.await };
    let grace = settings.grace;
    let served = taffrail_server::serve(listener, runtime.clone(), settings, shutdown);
    let mut served = pin!(served);
    tokio::select! {
        // Before the signal, this completes only with an error.
        stopped = &mut served => { stopped?; }
        () = signals.next() => {}
    }
    drop(active);
    tokio::spawn(force_exit(grace, StopSignals::listen()?));
    progress::status(
        "Stopping",
        "once everything under way has ended; a second signal stops at once",
    );
    _ = stop.send(());
    let grace = tokio::time::sleep(grace);
    let (unfinished, at_once) = tokio::select! {
        stopped = served => (stopped?.unfinished, false),
        () = signals.next() => (runtime.pending(), true),
    };
    runtime.close_tails();
    let deadline = async {
        if !at_once {
            tokio::select! {
                _ = async { tokio::join!(grace, tokio::time::sleep(LAST_ITEMS)) } => return,
                () = signals.next() => {}
            }
        }
        tokio::time::sleep(AT_ONCE).await;
    };
    let written = async {
        let printed = async {
            if let Some(printing) = &mut printing {
                printing.finish().await;
            }
        };
        let kept = async {
            project.drain().await;
            project.finish().await;
        };
        let tailed = async {
            if let Some(control) = control {
                control.finish().await;
            }
        };
        tokio::join!(printed, tailed, kept);
    };
    tokio::select! {
        () = written => {}
        () = deadline => {}
    }
    if let Some(printing) = printing {
        printing.close();
    }
    project.close();
    Ok(end(unfinished, &runtime.deliveries()))
}

/// How long the process may take to end after the grace period, and after a second signal, before
/// it is forced to exit.
const OVERDUE: Duration = Duration::from_secs(20);
const OVERDUE_AT_ONCE: Duration = Duration::from_secs(5);

/// Forces the process to exit if it does not end by itself. Even the last messages may block, if
/// stderr is a pipe that nothing reads.
async fn force_exit(grace: Duration, mut signals: StopSignals) {
    tokio::select! {
        () = tokio::time::sleep(grace + OVERDUE) => {}
        () = async {
            signals.next().await;
            tokio::time::sleep(OVERDUE_AT_ONCE).await;
        } => {}
    }
    std::process::exit(exit::HOST_ERROR.into());
}

/// Reports unfinished work and lost items, and returns the exit status.
fn end(unfinished: usize, deliveries: &[Delivery]) -> u8 {
    let mut code = exit::OK;
    if unfinished > 0 {
        code = exit::HOST_ERROR;
        progress::warning(&format!(
            "stopped with {unfinished} invocation(s) or item(s) unfinished; `--grace` gives them more time"
        ));
    }
    let losses: Vec<_> = deliveries.iter().filter_map(status::losses).collect();
    if !losses.is_empty() {
        code = exit::HOST_ERROR;
    }
    losses.iter().for_each(|losses| progress::warning(losses));
    code
}

/// The signals with which a user or a process manager stops the process.
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
