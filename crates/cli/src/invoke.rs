//! `taffrail invoke`: runs one event in this process.

use crate::args::{EventKind, InvokeOptions, UsageError};
use crate::items::{Collector, json_line};
use crate::pretty::Pretty;
use crate::terminal::Readable;
use crate::workers;
use crate::{exit, progress};
use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write, stdin, stdout};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use taffrail_runtime::{BodyError, Event, FetchResult, QueueMessage, RequestBody, Runtime};
use taffrail_test::{Outbound, stable};
use taffrail_trace::{EventInfo, Json, Outcome, TraceItem};

pub(crate) async fn run(options: InvokeOptions) -> Result<u8> {
    let event = event(&options)?;
    let configs = workers::configure(&options.workers, true)?;
    let items = options.items.as_deref().map(items_writer).transpose()?;
    let outbound = options.outbound.as_deref().map(Outbound::from_file);
    let outbound = outbound.transpose().context("`--outbound`")?;
    let collector = Arc::new(Collector::default());
    let opened = workers::open(
        vec![collector.clone()],
        outbound.map(|outbound| outbound.network()),
        &configs,
        options.workers.env.clone(),
    )?;
    opened.project.deploy_all(&configs).await?;
    let runtime = opened.project.runtime();

    let broken = match event {
        Invoked::Request(request) => fetch(runtime, &configs[0].name, request).await?,
        Invoked::Event(event) => {
            runtime.dispatch(&configs[0].name, event).await?;
            None
        }
    };
    runtime.idle().await;
    opened.project.drain().await;
    runtime.idle().await;
    opened.project.finish().await;
    let recorded = collector.take();
    match items {
        Some(writer) => write_items(writer, &recorded, options.stable)?,
        None => show(&recorded),
    }
    let outcome = recorded
        .iter()
        .find(|item| is_of(item, &configs[0].name))
        .map_or(Outcome::Unknown, |item| item.outcome);
    if let Some(broken) = &broken {
        progress::error(&anyhow!("{broken}"));
    }
    Ok(if outcome == Outcome::Ok && broken.is_none() {
        exit::OK
    } else {
        exit::NOT_OK
    })
}

/// Runs the event and writes the response body as it arrives. Returns the error with which the
/// body broke off, if it did.
async fn fetch(
    runtime: &Runtime,
    worker: &str,
    request: Request<RequestBody>,
) -> Result<Option<BodyError>> {
    let FetchResult::Response(response) = runtime.fetch(worker, request, None).await? else {
        return Ok(None);
    };
    let mut body = pin!(response.into_body());
    let mut out: Box<dyn Write> = match stdout().is_terminal() {
        true => Box::new(Readable::new(stdout())),
        false => Box::new(stdout()),
    };
    let broken = loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    out.write_all(data).context("cannot write to stdout")?;
                }
            }
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    out.flush().context("cannot write to stdout")?;
    Ok(broken)
}

/// The event to run.
enum Invoked {
    Request(Request<RequestBody>),
    Event(Event),
}

fn event(options: &InvokeOptions) -> Result<Invoked> {
    Ok(match options.event {
        EventKind::Fetch => Invoked::Request(request(options)?),
        EventKind::Scheduled => Invoked::Event(Event::scheduled(&options.cron, options.time)),
        EventKind::Queue => Invoked::Event(Event::queue(&options.queue, messages(options)?)),
    })
}

fn messages(options: &InvokeOptions) -> Result<Vec<QueueMessage>> {
    let json = options.data.as_deref().map_or(Ok(b"[]".to_vec()), data)?;
    let bodies: Vec<Json> = serde_json::from_slice(&json).map_err(|error| {
        UsageError::new(format!(
            "--data of a `queue` event is not a JSON array of messages: {error}"
        ))
    })?;
    let sent = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let messages = bodies.into_iter().enumerate();
    Ok(messages
        .map(|(index, body)| QueueMessage {
            id: (index + 1).to_string(),
            timestamp: sent,
            attempts: 1,
            body,
        })
        .collect())
}

fn request(options: &InvokeOptions) -> Result<Request<RequestBody>> {
    let uri = uri(&options.url)?;
    let body = options.data.as_deref().map(data).transpose()?;
    let method = match (&options.method, &body) {
        (Some(method), _) => Method::from_bytes(method.as_bytes())
            .map_err(|_| usage("--request", method, "an HTTP method such as PUT"))?,
        (None, Some(_)) => Method::POST,
        (None, None) => Method::GET,
    };
    let mut request = Request::new(());
    *request.method_mut() = method;
    let headers = request.headers_mut();
    for text in &options.headers {
        let (name, value) = header(text)?;
        headers.append(name, value);
    }
    if let Some(authority) = uri.authority() {
        let host = HeaderValue::from_str(authority.as_str())?;
        headers.entry(header::HOST).or_insert(host);
    }
    if let Some(body) = &body {
        let length = HeaderValue::from(body.len());
        headers.entry(header::CONTENT_LENGTH).or_insert(length);
    }
    *request.uri_mut() = uri;
    let body = Full::new(Bytes::from(body.unwrap_or_default()));
    Ok(request.map(|()| body.map_err(|never| match never {}).boxed_unsync()))
}

fn uri(url: &str) -> Result<Uri, UsageError> {
    url.parse()
        .ok()
        .filter(|uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")))
        .filter(|uri| uri.host().is_some_and(|host| !host.is_empty()))
        .ok_or_else(|| {
            usage(
                "--url",
                url,
                "an absolute URL such as http://localhost/path",
            )
        })
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), UsageError> {
    let parsed = text.split_once(':').and_then(|(name, value)| {
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        let value = HeaderValue::from_str(value.trim()).ok()?;
        Some((name, value))
    });
    parsed.ok_or_else(|| usage("--header", text, "a header such as 'accept: text/html'"))
}

fn usage(option: &str, given: &str, wanted: &str) -> UsageError {
    UsageError::new(format!("{option} '{given}' is not {wanted}"))
}

fn data(text: &str) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    match text.strip_prefix('@') {
        None => data.extend_from_slice(text.as_bytes()),
        Some("-") => {
            stdin()
                .read_to_end(&mut data)
                .context("`--data @-`: stdin cannot be read")?;
        }
        Some(file) => {
            data = std::fs::read(file)
                .with_context(|| format!("`--data @{file}`: the file cannot be read"))?;
        }
    }
    Ok(data)
}

fn items_writer(path: &Path) -> Result<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(stdout()));
    }
    let file = File::create(path)
        .with_context(|| format!("`--items {}`: the file cannot be created", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn write_items(
    mut writer: Box<dyn Write>,
    items: &[Arc<TraceItem>],
    is_stable: bool,
) -> Result<()> {
    let written = if is_stable {
        let mut items = stable(items.iter().map(Arc::as_ref)).into_iter();
        items.try_for_each(|item| writeln!(writer, "{item}"))
    } else {
        let mut items = items.iter();
        items.try_for_each(|item| json_line(&mut writer, item))
    };
    written
        .and_then(|()| writer.flush())
        .context("cannot write the items")
}

/// Shows the items on stderr, so that stdout has only the response body.
fn show(items: &[Arc<TraceItem>]) {
    let zone = TimeZone::system();
    for item in items {
        anstream::eprint!("{}", Pretty { item, zone: &zone });
    }
}

/// Whether an item is that of the invoked event. If the Worker is its own tail consumer, it has
/// other items too.
fn is_of(item: &TraceItem, worker: &str) -> bool {
    item.script.script_name.as_deref() == Some(worker)
        && !matches!(item.event, Some(EventInfo::Tail { .. }))
}
