//! Where telemetry comes from: a Worker, in a process.

use super::attributes::attribute;
use crate::settings::Settings;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use taffrail_trace::Script;

/// The name of the scope, and that of the service that is the process itself.
const TAFFRAIL: &str = "taffrail";

/// The version of the semantic conventions whose names are used.
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

/// What all resources of a process share.
pub(crate) struct Resources {
    service_name: Option<String>,
    attributes: Vec<KeyValue>,
}

impl Resources {
    /// `instance` tells this process apart from others that run the same Workers.
    pub(crate) fn new(settings: &Settings, instance: &str) -> Self {
        let mut attributes = Vec::new();
        let given = &settings.resource_attributes;
        let is_given = |name| given.iter().any(|(other, _)| other == name);
        for (name, value) in given {
            attributes.push(attribute(name, value.as_str()));
        }
        for (name, value) in [
            ("service.instance.id", instance),
            ("telemetry.sdk.name", TAFFRAIL),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ] {
            if !is_given(name) {
                attributes.push(attribute(name, value));
            }
        }
        Self {
            service_name: settings.service_name.clone(),
            attributes,
        }
    }

    /// Returns the resource of a Worker in one version.
    pub(crate) fn of_script(&self, script: &Script) -> Resource {
        let version = script.script_version.as_ref();
        self.of_worker(
            script.script_name.as_deref(),
            version.and_then(|version| version.id.as_deref()),
        )
    }

    /// Returns the resource of a Worker, or without a name that of the process.
    pub(crate) fn of_worker(&self, name: Option<&str>, version: Option<&str>) -> Resource {
        let service = self.service_name.as_deref().or(name).unwrap_or(TAFFRAIL);
        let mut attributes = vec![attribute("service.name", service)];
        if let Some(name) = name {
            attributes.push(attribute("faas.name", name));
        }
        if let Some(version) = version {
            attributes.push(attribute("faas.version", version));
        }
        attributes.extend(self.attributes.iter().cloned());
        Resource {
            attributes,
            ..Resource::default()
        }
    }
}

pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: TAFFRAIL.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}
