//! How fast a value rises over a run.

use super::outcome::Second;

/// Seconds after a start of the hub in which its memory settles: heads fill, caches warm up.
const WARM_UP_S: f64 = 300.0;

/// The straight line with the least squares through the value of all seconds in which the hub was warm: its slope, in
/// units an hour. `None` if there are fewer than two.
pub(super) fn an_hour(seconds: &[Second], value: impl Fn(&Second) -> f64) -> Option<f64> {
    let points: Vec<(f64, f64)> = seconds
        .iter()
        .filter(|second| second.age_s >= WARM_UP_S)
        .map(|second| (second.at_s / 3600.0, value(second)))
        .collect();
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
    fn a_slope_is_that_of_the_warm_seconds() {
        let second = |at_s: f64, age_s: f64, rss_mib: f64| Second { at_s, age_s, rss_mib, ..Second::default() };
        let cold = second(0.0, 0.0, 1000.0);
        let warm = (0..100).map(|number| {
            let at_s = 300.0 + 10.0 * f64::from(number);
            second(at_s, at_s, 50.0 + at_s / 360.0)
        });
        let seconds: Vec<Second> = std::iter::once(cold).chain(warm).collect();
        let slope = an_hour(&seconds, |second| second.rss_mib).expect("many points");
        assert!((slope - 10.0).abs() < 1e-6, "{slope}");
        assert_eq!(an_hour(&seconds[..2], |second| second.rss_mib), None, "one point has no slope");
    }
}
