//! Line charts as SVG, without other files.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 44.0;
/// Also distinct for people who do not see red from green.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// In the legend.
    pub name: String,
    /// In ascending x.
    pub points: Vec<(f64, f64)>,
}

/// A chart of several lines.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The text above it.
    pub title: String,
    /// Label of the horizontal axis, with its unit.
    pub x_axis: String,
    /// Label of the vertical axis, with its unit.
    pub y_axis: String,
    /// At most six lines.
    pub lines: Vec<Line>,
    /// Whether points are marked, because they are few.
    pub has_marks: bool,
}

impl Chart {
    /// The drawing.
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x_max = nice_ceil(points().map(|(x, _)| *x).fold(0.0, f64::max));
        let y_max = nice_ceil(points().map(|(_, y)| *y).fold(0.0, f64::max));
        let x_of = |x: f64| LEFT + (WIDTH - LEFT - RIGHT) * x / x_max;
        let y_of = |y: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / y_max;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             font-family=\"system-ui,sans-serif\" font-size=\"12\" role=\"img\"><title>{title}</title>\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><text x=\"{LEFT}\" y=\"18\" font-size=\"14\" \
             font-weight=\"600\" fill=\"#222\">{title}</text>",
            title = escape(&self.title)
        );
        for step in 0..=5 {
            let (x, y) = (x_max * f64::from(step) / 5.0, y_max * f64::from(step) / 5.0);
            let _infallible = write!(
                svg,
                "<path d=\"M{LEFT} {y0:.1}H{x1}\" stroke=\"#ddd\"/><text x=\"{tx}\" y=\"{ty:.1}\" text-anchor=\"end\" \
                 fill=\"#555\">{label}</text><text x=\"{x0:.1}\" y=\"{by}\" text-anchor=\"middle\" fill=\"#555\">{below}</text>",
                y0 = y_of(y),
                x1 = WIDTH - RIGHT,
                tx = LEFT - 6.0,
                ty = y_of(y) + 4.0,
                label = number(y),
                x0 = x_of(x),
                by = HEIGHT - BOTTOM + 16.0,
                below = number(x),
            );
        }
        let _infallible = write!(
            svg,
            "<text x=\"{cx}\" y=\"{by}\" text-anchor=\"middle\" fill=\"#222\">{x_axis}</text>\
             <text transform=\"translate(14 {cy}) rotate(-90)\" text-anchor=\"middle\" fill=\"#222\">{y_axis}</text>",
            cx = (LEFT + WIDTH - RIGHT) / 2.0,
            by = HEIGHT - 8.0,
            cy = (TOP + HEIGHT - BOTTOM) / 2.0,
            x_axis = escape(&self.x_axis),
            y_axis = escape(&self.y_axis),
        );
        for ((line, colour), place) in self.lines.iter().zip(COLOURS).zip(0u8..) {
            let mut path = String::new();
            for (index, (x, y)) in line.points.iter().enumerate() {
                let _infallible = write!(path, "{}{:.1} {:.1}", if index == 0 { "M" } else { "L" }, x_of(*x), y_of(*y));
                if self.has_marks {
                    let _infallible = write!(
                        svg,
                        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                        x_of(*x),
                        y_of(*y)
                    );
                }
            }
            let at = LEFT + 160.0 * f64::from(place);
            let _infallible = write!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>\
                 <path d=\"M{at} 29h18\" stroke=\"{colour}\" stroke-width=\"3\"/>\
                 <text x=\"{tx}\" y=\"33\" fill=\"#222\">{name}</text>",
                tx = at + 24.0,
                name = escape(&line.name)
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The next of 1, 2, 2.5, 5 times a power of ten.
fn nice_ceil(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|step| step * power)
        .into_iter()
        .find(|step| *step >= value * 0.999_999)
        .unwrap_or(value)
}

fn number(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{} M", trimmed(value / 1e6)),
        _ if value >= 1e4 => format!("{} k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text for HTML and SVG.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, expected) in [(0.0, 1.0), (0.9, 1.0), (1.2, 2.0), (23.0, 25.0), (9_981.0, 10_000.0), (260.0, 500.0)]
        {
            assert!((nice_ceil(value) - expected).abs() < 1e-9, "{value}");
        }
        assert_eq!([number(100_000.0), number(2.5), number(1.5e6)], ["100 k", "2.5", "1.5 M"]);
    }

    #[test]
    fn what_is_drawn_is_escaped() {
        let line = Line { name: "a<b".to_owned(), points: vec![(0.0, 0.0), (1.0, 2.0)] };
        let chart = Chart {
            title: "t & u".to_owned(),
            x_axis: String::new(),
            y_axis: String::new(),
            lines: vec![line],
            has_marks: true,
        };
        let svg = chart.svg();
        assert!(svg.contains("a&lt;b") && svg.contains("t &amp; u") && svg.matches("<circle").count() == 2);
    }
}
