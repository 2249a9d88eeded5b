use super::*;

fn read(
    config: Option<&Config>,
    variables: &[(&str, &str)],
) -> Result<Option<Settings>, SettingsError> {
    Settings::new(config, |key| {
        let found = variables.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn settings(config: Option<&Config>, variables: &[(&str, &str)]) -> Settings {
    read(config, variables).unwrap().unwrap()
}

fn urls(settings: &Settings) -> Vec<String> {
    let destinations = settings.destinations.values();
    destinations
        .map(|destination| destination.url.to_string())
        .collect()
}

#[test]
fn nothing_is_exported_unless_it_is_asked_for() {
    assert_eq!(read(None, &[]).unwrap(), None);
    assert_eq!(
        read(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap(),
        None
    );
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
    let disabled = ("OTEL_SDK_DISABLED", "TRUE");
    assert_eq!(read(None, &[endpoint, disabled]).unwrap(), None);
    let none = Config {
        signals: Some(vec!["logs".to_owned()]),
        ..Config::default()
    };
    assert_eq!(
        read(Some(&none), &[("OTEL_LOGS_EXPORTER", "none")]).unwrap(),
        None
    );
}

#[test]
fn a_table_is_enough_for_a_collector_on_this_machine() {
    let settings = settings(Some(&Config::default()), &[]);
    assert_eq!(
        urls(&settings),
        [
            "http://localhost:4318/v1/traces",
            "http://localhost:4318/v1/logs",
            "http://localhost:4318/v1/metrics",
        ]
    );
    let traces = &settings.destinations[&Signal::Traces];
    assert_eq!(traces.protocol, Protocol::Protobuf);
    assert_eq!((traces.gzip, traces.timeout), (false, DEFAULT_TIMEOUT));
    assert_eq!(settings.metric_interval, DEFAULT_INTERVAL);
    assert_eq!(settings.temporality, Temporality::Cumulative);
}

#[test]
fn the_environment_comes_before_the_table() {
    let config = Config {
        endpoint: Some("https://table/base/?token=1".to_owned()),
        headers: [("a", "table"), ("b", "table")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        protocol: Some("http/json".to_owned()),
        signals: None,
    };
    let table = settings(Some(&config), &[]);
    assert_eq!(urls(&table)[0], "https://table/base/v1/traces?token=1");
    assert_eq!(table.destinations[&Signal::Logs].protocol, Protocol::Json);
    let both = settings(
        Some(&config),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:1/x/"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:2"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "b=all%20of%20them, c = d=e"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=shop,deployment.environment.name=a%2Cb",
            ),
        ],
    );
    assert_eq!(
        urls(&both),
        [
            "http://all:1/x/v1/traces",
            "http://logs:2/",
            "http://all:1/x/v1/metrics",
        ]
    );
    let traces = &both.destinations[&Signal::Traces];
    let headers = &traces.headers;
    assert_eq!(
        ["a", "b", "c"].map(|name| headers[name].to_str().unwrap()),
        ["table", "all of them", "d=e"]
    );
    assert!(traces.gzip);
    assert_eq!(traces.timeout, Duration::from_millis(250));
    assert_eq!(traces.certificate, Some(PathBuf::from("/ca.pem")));
    assert_eq!(traces.protocol, Protocol::Json);
    let metrics = &both.destinations[&Signal::Metrics];
    assert_eq!(metrics.protocol, Protocol::Protobuf);
    assert_eq!(both.temporality, Temporality::Delta);
    assert_eq!(both.metric_interval, Duration::from_secs(5));
    assert_eq!(both.service_name.as_deref(), Some("shop"));
    assert_eq!(
        both.resource_attributes,
        [("deployment.environment.name".to_owned(), "a,b".to_owned())]
    );
    let named = settings(
        Some(&config),
        &[
            ("OTEL_SERVICE_NAME", "first"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=second"),
        ],
    );
    assert_eq!(named.service_name.as_deref(), Some("first"));
}

#[test]
fn what_cannot_be_used_is_named() {
    let endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let long = format!("a={}", "x".repeat(1 << 20));
    for (key, value, problem) in [
        (endpoint, "localhost:4318", "http://"),
        (endpoint, "collector", "http://"),
        (endpoint, "ftp://collector", "http://"),
        (endpoint, "http://", "no URL"),
        (endpoint, "http://a b", "no URL"),
        (endpoint, "http://me:secret@collector", "credentials"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "4318"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "udp", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "a b"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0a", "`a`"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%ff", "UTF-8"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip"),
        ("OTEL_TRACES_EXPORTER", "console", "none"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "milliseconds"),
        ("OTEL_RESOURCE_ATTRIBUTES", &long, "bytes"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
            "both",
            "delta",
        ),
    ] {
        let error = read(Some(&Config::default()), &[(key, value)]).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.key, key);
        assert!(text.contains(problem), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let config = Config {
        signals: Some(vec!["spans".to_owned()]),
        ..Config::default()
    };
    let error = read(Some(&config), &[]).unwrap_err();
    assert_eq!(error.key, "taffrail.otlp.signals");
}

#[test]
fn values_of_headers_are_not_shown() {
    let header = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer abc");
    let settings = settings(Some(&Config::default()), &[header]);
    assert!(!format!("{settings:?}").contains("abc"));
}
