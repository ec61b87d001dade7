use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use super::metrics::{ALL, BUILD_INFO, Kind};

/// Upper bounds of the buckets of every histogram, in seconds: a Check from the
/// cache takes about 0.1 ms, a large list minutes.
const BUCKETS: [f64; 18] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// Metrics of this process, once recording has started.
static EXPOSITION: OnceLock<Exposition> = OnceLock::new();

/// Metrics recorded in this process, rendered for Prometheus.
#[derive(Clone, Debug)]
pub struct Exposition {
    prometheus: PrometheusHandle,
    process: Collector,
}

impl Exposition {
    /// Starts recording the metrics of this process. Further calls return the
    /// same metrics.
    pub fn start() -> Self {
        EXPOSITION.get_or_init(Self::record).clone()
    }

    fn record() -> Self {
        let mut builder = PrometheusBuilder::new();
        for metric in ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
            let named = Matcher::Full(metric.name.to_owned());
            match builder.set_buckets_for_metric(named, &BUCKETS) {
                Ok(with_buckets) => builder = with_buckets,
                // Fails only for an empty list of buckets.
                Err(error) => {
                    tracing::error!(%error, "the metrics of this process cannot be recorded");
                    builder = PrometheusBuilder::new();
                    break;
                }
            }
        }
        let recorder = builder.build_recorder();
        let prometheus = recorder.handle();
        // An existing recorder stays in place.
        let _first_wins = metrics::set_global_recorder(recorder);
        let process = Collector::default();
        process.describe();
        describe();
        Self {
            prometheus,
            process,
        }
    }

    /// Renders all metrics in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        self.prometheus.render()
    }

    /// Aggregates the samples that histograms recorded since the last call:
    /// without it, they take memory until the next [`Self::render`].
    pub fn run_upkeep(&self) {
        self.prometheus.run_upkeep();
    }
}

/// Describes every metric, and sets those that never change.
fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.meaning),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.meaning),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.meaning),
        }
        // Exposes the counter with 0 before its first event.
        if metric.kind == Kind::Counter && metric.labels.is_empty() {
            metrics::counter!(metric.name).increment(0);
        }
    }
    metrics::gauge!(BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}
