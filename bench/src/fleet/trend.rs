//! How fast a value rises over a run.

/// Seconds after a start of the hub in which its memory settles: heads fill, caches warm up.
pub(super) const WARM_UP_S: f64 = 300.0;

/// The slope, an hour, of the straight line with the least squares through points: seconds, and a value. `None` if there are
/// fewer than two.
pub(super) fn an_hour(points: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let points: Vec<(f64, f64)> = points.map(|(at_s, value)| (at_s / 3600.0, value)).collect();
    let count = points.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let over = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    let under = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
    (under > 0.0).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_line_between() {
        let line = (0..100).map(|number| (10.0 * f64::from(number), 50.0 + f64::from(number) / 36.0));
        // Beside the line, as far above as below.
        let around = line.flat_map(|(at_s, value)| [(at_s, value - 3.0), (at_s, value + 3.0)]);
        let slope = an_hour(around).expect("many points");
        assert!((slope - 10.0).abs() < 1e-6, "{slope}");
        assert_eq!(an_hour(std::iter::once((1.0, 2.0))), None, "one point has no slope");
    }
}
