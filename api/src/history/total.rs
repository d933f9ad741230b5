//! Totals of many servers.

use windfire_engine::history::Series;
use windfire_engine::metric::{Metric, Number};

/// Series of many servers added up, point by point.
#[derive(Default)]
pub(crate) struct Group {
    series: Vec<(Series, Vec<(f64, u32)>)>,
}

impl Group {
    /// Adds the series of one more server. All have the same points.
    pub(crate) fn add(&mut self, series: Vec<Series>) {
        if self.series.is_empty() {
            let empty = |series: &Series| {
                let points = series.points.iter().map(|(time_ms, _)| (*time_ms, None)).collect();
                (Series { points, ..series.clone() }, vec![(0.0, 0); series.points.len()])
            };
            self.series = series.iter().map(empty).collect();
        }
        for ((_, totals), series) in self.series.iter_mut().zip(series) {
            for ((sum, count), (_, value)) in totals.iter_mut().zip(series.points) {
                if let Some(value) = value {
                    *sum += value.as_f64();
                    *count += 1;
                }
            }
        }
    }

    /// Totals, and the number of servers in each.
    pub(crate) fn series(&self) -> impl Iterator<Item = (Series, Vec<u32>)> + '_ {
        self.series.iter().map(|(series, totals)| {
            let is_mean = total_name(series.metric) == "mean";
            let total = |((time_ms, _), (sum, count)): (&(i64, Option<Number>), &(f64, u32))| {
                let value = if is_mean { sum / f64::from(*count) } else { *sum };
                (*time_ms, (*count > 0).then_some(Number::Float(value)))
            };
            let points = series.points.iter().zip(totals).map(total).collect();
            (Series { points, ..series.clone() }, totals.iter().map(|(_, count)| *count).collect())
        })
    }
}

/// How servers are combined: amounts are added, other metrics are averaged.
pub(crate) fn total_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Cpu | Metric::Gpu | Metric::Temperature | Metric::Uptime => "mean",
        _ => "sum",
    }
}
