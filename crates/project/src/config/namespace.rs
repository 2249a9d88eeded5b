//! Dispatch namespaces: where their user Workers are, and what those may use.
//!
//! The configuration of a user Worker grants it nothing. Only the configuration of the dispatcher
//! does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use taffrail_runtime::{HostPattern, Target};

use super::limits::ConfiguredLimits;
use super::paths::below;
use super::schema::{NamespaceTable, Paths, TailConsumer};

/// A dispatch namespace in a dispatcher's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    /// The folders of user Workers, or the user Workers themselves.
    pub places: Vec<PathBuf>,
    /// What the user Workers may use.
    pub grant: Grant,
}

/// The operator's resources that user Workers may use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grant {
    pub(super) services: Vec<Target>,
    pub(super) tail_consumers: Vec<Target>,
    pub(super) streaming_tail_consumers: Vec<Target>,
    pub(super) kv_namespaces: BTreeSet<String>,
    pub(super) analytics_engine_datasets: BTreeSet<String>,
    pub(super) worker_loaders: bool,
    pub(super) allowed_outbound_hosts: Option<Vec<HostPattern>>,
    pub(super) limits: ConfiguredLimits,
}

impl Namespace {
    pub(super) fn new(table: NamespaceTable, dir: &Path) -> Self {
        let Paths(places) = table.workers;
        let targets =
            |consumers: Vec<TailConsumer>| consumers.into_iter().map(Target::from).collect();
        Self {
            places: places.iter().map(|path| below(dir, path)).collect(),
            grant: Grant {
                services: targets(table.services),
                tail_consumers: targets(table.tail_consumers),
                streaming_tail_consumers: targets(table.streaming_tail_consumers),
                kv_namespaces: table.kv_namespaces,
                analytics_engine_datasets: table.analytics_engine_datasets,
                worker_loaders: table.worker_loaders,
                allowed_outbound_hosts: table.allowed_outbound_hosts,
                limits: table.limits.into(),
            },
        }
    }
}

impl Grant {
    /// Returns the operator's Workers that the grant names, with the key of each.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&'static str, &Target)> {
        let services = self.services.iter().map(|target| ("services", target));
        let tails = self.tail_consumers.iter();
        let streaming = self.streaming_tail_consumers.iter();
        services
            .chain(tails.map(|target| ("tail_consumers", target)))
            .chain(streaming.map(|target| ("streaming_tail_consumers", target)))
    }
}
