use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use super::metrics::{ALL, BUILD_INFO, Kind};

/// The upper bounds of the buckets of every histogram, in seconds: a Check from
/// memory takes some 0.1 ms, a large list minutes.
const BUCKETS: [f64; 18] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// The metrics of this process, once they are recorded.
static EXPOSITION: OnceLock<Exposition> = OnceLock::new();

/// What is recorded in this process, as Prometheus reads it.
#[derive(Clone, Debug)]
pub struct Exposition {
    prometheus: PrometheusHandle,
    process: Collector,
}

impl Exposition {
    /// Records the metrics of this process from now on. Only the first call
    /// counts.
    pub fn start() -> Self {
        EXPOSITION.get_or_init(Self::record).clone()
    }

    fn record() -> Self {
        let mut builder = PrometheusBuilder::new();
        for metric in ALL.iter().filter(|metric| metric.kind == Kind::Histogram) {
            let named = Matcher::Full(metric.name.to_owned());
            match builder.set_buckets_for_metric(named, &BUCKETS) {
                Ok(with_buckets) => builder = with_buckets,
                // Only of no buckets at all.
                Err(error) => {
                    tracing::error!(%error, "the metrics of this process cannot be recorded");
                    builder = PrometheusBuilder::new();
                    break;
                }
            }
        }
        let recorder = builder.build_recorder();
        let prometheus = recorder.handle();
        // One that is in place already stays.
        let _first_wins = metrics::set_global_recorder(recorder);
        let process = Collector::default();
        process.describe();
        describe();
        Self {
            prometheus,
            process,
        }
    }

    /// Everything recorded so far, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        self.prometheus.render()
    }

    /// Sums up what histograms recorded since the last call: without it they
    /// take memory until the next [`Self::render`].
    pub fn sum_up(&self) {
        self.prometheus.run_upkeep();
    }
}

/// Declares every metric, and shows those that never change.
fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.meaning),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.meaning),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.meaning),
        }
        // So that a counter is there before it first counts.
        if metric.kind == Kind::Counter && metric.labels.is_empty() {
            metrics::counter!(metric.name).increment(0);
        }
    }
    metrics::gauge!(BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}
