//! Requests to a collector.

use crate::answer::{self, Answer, Reason};
use crate::clock;
use crate::settings::{Destination, Protocol, SettingsError};
use crate::signal::Signal;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The longest answer that is read.
const ANSWER_BYTES: usize = 64 << 10;

/// The collector of one signal.
pub(crate) struct Client {
    signal: Signal,
    destination: Destination,
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(signal: Signal, destination: Destination) -> Result<Self, SettingsError> {
        let connector = HttpsConnectorBuilder::new();
        let connector = match &destination.certificate {
            Some(file) => connector.with_tls_config(trusting(signal, file)?),
            None => {
                let provider = rustls::crypto::ring::default_provider();
                connector
                    .with_provider_and_webpki_roots(provider)
                    .map_err(|error| SettingsError {
                        key: "taffrail.otlp".to_owned(),
                        problem: format!("TLS cannot be used: {error}"),
                    })?
            }
        };
        let connector = connector.https_or_http().enable_http1().build();
        Ok(Self {
            signal,
            destination,
            http: HttpClient::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// How messages are encoded, and whether they are compressed.
    pub(crate) fn encoding(&self) -> (Protocol, bool) {
        (self.destination.protocol, self.destination.gzip)
    }

    /// Where the collector is, for all signals: without the path, and without a query, which may
    /// contain a secret.
    pub(crate) fn place(&self) -> String {
        place(&self.destination.url)
    }

    /// Sends a message once, and waits for the answer.
    pub(crate) async fn send(&self, message: Bytes) -> Answer {
        let sending = self.exchange(message);
        match tokio::time::timeout(self.destination.timeout, sending).await {
            Ok(answer) => answer,
            Err(_) => Answer::Later {
                reason: Reason::NoAnswer,
                message: format!("nothing within {:?}", self.destination.timeout),
                after: None,
            },
        }
    }

    async fn exchange(&self, message: Bytes) -> Answer {
        let response = match self.http.request(self.request(message)).await {
            Ok(response) => response,
            Err(error) => {
                let reason = match error.is_connect() {
                    true => Reason::Unreachable,
                    false => Reason::NoAnswer,
                };
                return Answer::Later {
                    reason,
                    message: with_causes(&error),
                    after: None,
                };
            }
        };
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, ANSWER_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if head.status.is_success() => {
                return Answer::Refused {
                    reason: Reason::NoCollector,
                    message: error.to_string(),
                };
            }
            // The status says enough.
            Err(_) => Bytes::new(),
        };
        answer::read(
            self.signal,
            self.destination.protocol,
            head.status,
            &head.headers,
            &body,
            clock::epoch_ns(),
        )
    }

    fn request(&self, message: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(message));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.destination.url.clone();
        let headers = request.headers_mut();
        let agent = concat!("Taffrail-OTLP-Exporter/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.extend(self.destination.headers.clone());
        let kind = match self.destination.protocol {
            Protocol::Protobuf => "application/x-protobuf",
            Protocol::Json => "application/json",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if self.destination.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        request
    }
}

fn place(url: &Uri) -> String {
    let (scheme, authority) = (url.scheme_str(), url.authority());
    format!(
        "{}://{}",
        scheme.unwrap_or(""),
        authority.map_or("", |authority| authority.as_str()),
    )
}

/// Returns a configuration that trusts the certificates of a file alone.
fn trusting(signal: Signal, file: &Path) -> Result<ClientConfig, SettingsError> {
    let wrong = |problem: String| SettingsError {
        key: format!("OTEL_EXPORTER_OTLP_CERTIFICATE (for {signal})"),
        problem: format!("{}: {problem}", file.display()),
    };
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("it contains no certificate".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Returns an error with its causes, which its own text leaves out.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
