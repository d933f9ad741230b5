use std::io;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::{Value, json};
use tracing::Level;

use super::*;
use crate::line::LINE_BYTES_MAX;

const TEXT: fn() -> LogFormat = || LogFormat::Text;
const JSON: fn() -> LogFormat = || LogFormat::Json;

/// What was written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that come of these events.
fn written(stream: Stream, format: fn() -> LogFormat, tell: impl FnOnce()) -> String {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(move || writer.clone())
        .event_format(Lines { stream, format })
        .finish();
    tracing::subscriber::with_default(subscriber, tell);
    let bytes = kept.0.lock().expect("no panic").clone();
    String::from_utf8(bytes).expect("text")
}

fn tell_one_of_each() {
    let (path, name) = ("x\n<3>y", "a \"b\"");
    tracing::warn!(count = 3_u64, share = 0.5, is_new = true, name, path = %path, "the {} is \\ here", "cat");
}

#[test]
fn a_line_of_json_is_one_flat_object() {
    // The journal's priority would be no JSON.
    let line = written(Stream::Journal, JSON, tell_one_of_each);
    let mut object: Value = serde_json::from_str(&line).expect("JSON");
    let ts = object["ts"].take();
    let ts = ts.as_str().expect("a time");
    assert!(ts.len() == "2026-11-27T07:21:32.123456Z".len() && ts.ends_with('Z') && ts.contains('T'), "{ts}");
    let expected = json!({
        "ts": null, "level": "warn", "msg": "the cat is \\ here",
        "count": 3, "share": 0.5, "is_new": true, "name": "a \"b\"", "path": "x\n<3>y",
    });
    assert_eq!(object, expected);
    assert!(line.starts_with("{\"ts\":\"") && line.ends_with("}\n"), "{line}");
}

#[test]
fn fields_do_not_take_the_place_of_the_lines_own_keys() {
    let line = written(Stream::Other, JSON, || {
        let span = tracing::info_span!("outer", id = 7);
        let _inside = span.enter();
        tracing::info!(level = "high", ts = 0, span = "field", cut = false, wide = u128::MAX, none = f64::NAN, "here");
    });
    let object: Value = serde_json::from_str(&line).expect("JSON");
    for (key, value) in [
        ("msg", json!("here")),
        ("level", json!("info")),
        ("level_", json!("high")),
        ("ts_", json!(0)),
        ("span", json!("outer{id=7}")),
        ("span_", json!("field")),
        ("cut_", json!(false)),
        ("none", json!("NaN")),
    ] {
        assert_eq!(object[key], value, "{key}: {line}");
    }
    assert!(line.contains(&format!("\"wide\":{}", u128::MAX)), "{line}");
}

#[test]
fn a_line_of_text_has_the_time_and_the_level_and_colours_only_for_a_terminal() {
    let line = written(Stream::Other, TEXT, tell_one_of_each);
    let told = "  WARN the cat is \\ here count=3 share=0.5 is_new=true name=\"a \\\"b\\\"\" path=x\\n<3>y\n";
    assert!(line.ends_with(told) && line.find('T') == Some(10), "{line}");
    let line = written(Stream::Terminal, TEXT, tell_one_of_each);
    assert!(line.contains("\x1b[33m WARN\x1b[0m the cat") && line.contains("\x1b[3mcount\x1b[0m"), "{line}");
}

#[test]
fn a_line_of_the_journal_has_a_priority_and_no_time() {
    let lines = written(Stream::Journal, TEXT, || {
        tracing::error!("a");
        tracing::warn!("b\n<3>c");
        tracing::info!(id = 1, "d");
        tracing::debug!("e");
        tracing::trace_span!("outer").in_scope(|| tracing::trace!("f"));
    });
    assert_eq!(lines, "<3>a\n<4>b\\n<3>c\n<6>d id=1\n<7>e\n<7>outer: f\n");
}

#[test]
fn a_line_that_is_too_long_is_cut_with_a_mark() {
    let (long, many) = ("x".repeat(2 * LINE_BYTES_MAX), "y".repeat(LINE_BYTES_MAX - 200));
    for format in [TEXT, JSON] {
        let line = written(Stream::Other, format, || tracing::info!(after = 1, "{long}"));
        assert!(line.len() <= LINE_BYTES_MAX && line.contains("x…") && !line.contains("after"), "{}", line.len());
        // The line ends between two fields.
        let next = "z".repeat(300);
        let line = written(Stream::Other, format, || tracing::info!(many, next, last = 1, "m"));
        assert!(line.len() <= LINE_BYTES_MAX && line.contains("cut") && !line.contains("last"), "{}", line.len());
    }
    let line = written(Stream::Other, JSON, || tracing::info!("{long}"));
    let object: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(object["cut"], json!(true));
}

#[test]
fn an_error_without_an_event_is_a_line_too() {
    let line = json::error_line(&"no \"folder\"\nhere");
    let object: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&object["level"], &object["msg"]), (&json!("error"), &json!("no \"folder\"\nhere")));
}

proptest! {
    #[test]
    fn any_value_is_part_of_one_line(
        message in prop::collection::vec(any::<char>(), 0..200),
        value in prop::collection::vec(any::<char>(), 0..200),
        times in 1..200_usize,
    ) {
        let (message, value) = (String::from_iter(message), String::from_iter(value).repeat(times));
        let tell = || tracing::error!(value, shown = %message, debug = ?message, "{message}");
        for stream in [Stream::Other, Stream::Journal] {
            let line = written(stream, TEXT, tell);
            prop_assert!(line.ends_with('\n') && line.len() <= LINE_BYTES_MAX);
            prop_assert!(!line.trim_end_matches('\n').contains(char::is_control), "{:?}", line);
            prop_assert_eq!(line.matches('\n').count(), 1);
        }
        let line = written(Stream::Other, JSON, tell);
        prop_assert!(line.ends_with('\n') && line.len() <= LINE_BYTES_MAX);
        prop_assert_eq!(line.matches('\n').count(), 1);
        let object: Value = serde_json::from_str(&line).expect("JSON");
        prop_assert_eq!(&object["msg"], &json!(message));
        if object.get("cut").is_none() {
            prop_assert_eq!(&object["value"], &json!(value));
            prop_assert_eq!(&object["shown"], &json!(message));
        }
    }
}
