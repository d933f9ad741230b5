//! Silences, in which alerts are not told.

use serde::Deserialize;
use serde_json::{Value, json};
use windfire_engine::alert::silence::{DAYS, NewSilence, Silence, SilenceEdit, Window};
use windfire_engine::limits::{RULE_IDS_MAX, RULE_TAGS_MAX, RULES_MAX};
use windfire_engine::token::Scope;

use super::rule::{ids, seen_rules};
use crate::admission::Work;
use crate::answer::Answer;
use crate::object::Object;
use crate::operation::{Access, ID_IN_PATH, MANAGE, Operation};
use crate::request::{ApiError, ApiRequest, ApiResult, success};
use crate::schema::{
    Schemas, body, envelope, expires, flag, integer, list, maybe, natural, note, nullable, object, one_of, short, some,
    text,
};
use crate::whole_number::WholeNumber;

pub(crate) const OPERATIONS: [Operation; 4] = [
    Operation {
        name: "Silences",
        answered_by: |request| Ok(show(request)),
        work: Work::Whole,
        path: "/api/v1/alert/silence",
        access: Access::Scope(Scope::Read),
        about: "Silences, also those that are over",
        answer: "Silences",
        ..MANAGE
    },
    Operation {
        name: "AddSilence",
        answered_by: add,
        path: "/api/v1/alert/silence",
        method: "POST",
        body: Some("AddSilence"),
        about: "Creates a silence, once (`from`, `to`) or every week (`weekly`)",
        answer: "Added",
        ..MANAGE
    },
    Operation {
        name: "EditSilence",
        answered_by: edit,
        path: "/api/v1/alert/silence/{id}",
        method: "PATCH",
        body: Some("EditSilence"),
        about: "Changes the given settings of a silence",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        name: "RemoveSilence",
        answered_by: remove,
        path: "/api/v1/alert/silence/{id}",
        method: "DELETE",
        about: "Removes a silence, effective at once",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceBody {
    comment: Option<String>,
    rules: Option<Vec<WholeNumber<u64>>>,
    tags: Option<Vec<String>>,
    ids: Option<Vec<WholeNumber<u64>>>,
    /// Unix seconds. Now when it is not given.
    from: Option<WholeNumber<u64>>,
    /// Unix seconds.
    to: Option<WholeNumber<u64>>,
    weekly: Option<Object<WeeklyBody>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeeklyBody {
    days: Vec<String>,
    start: String,
    end: String,
    zone: String,
}

fn show(request: &ApiRequest<'_>) -> Answer {
    let silences = request.engine.registry().silences();
    success(silences.iter().filter_map(|silence| seen(request, silence)).collect::<Vec<_>>())
}

/// The part of a silence that the viewer sees; nothing when it names only other servers, tags or rules than the
/// viewer's.
fn seen(request: &ApiRequest<'_>, silence: &Silence) -> Option<Value> {
    let (viewer, engine) = (request.viewer, request.engine);
    let (tags, ids) = (viewer.seen_tags(&silence.tags), viewer.seen_ids(engine, &silence.ids));
    let rules = seen_rules(request, &silence.rules);
    // Without those that are not seen it would seem to be about more than it is.
    let is_other = [
        tags.is_empty() != silence.tags.is_empty(),
        ids.is_empty() != silence.ids.is_empty(),
        rules.is_empty() != silence.rules.is_empty(),
    ];
    if is_other.contains(&true) {
        return None;
    }
    let (from, to, weekly) = match &silence.window {
        Window::Span { from_s, to_s } => (Some(from_s), Some(to_s), None),
        Window::Weekly { days, start_minute, end_minute, zone } => {
            let names = DAYS.iter().enumerate().filter(|(day, _)| days >> day & 1 == 1).map(|(_, name)| *name);
            let (start, end) = (time_text(*start_minute), time_text(*end_minute));
            let days = names.collect::<Vec<_>>();
            (None, None, Some(json!({"days": days, "start": start, "end": end, "zone": zone})))
        }
    };
    Some(json!({
        "id": silence.id,
        "comment": silence.comment,
        "rules": rules,
        "tags": tags,
        "ids": ids,
        "from": from,
        "to": to,
        "weekly": weekly,
        "created": silence.created_s,
        "by": silence.by,
        "active": silence.is_active(request.now_s()),
    }))
}

fn add(request: &ApiRequest<'_>) -> ApiResult {
    let given = request.body::<SilenceBody>()?.into_edit(request.now_s(), None)?;
    let missing = || ApiError::new(400, "to: it is missing, and a silence needs it, or weekly");
    let new = NewSilence {
        comment: given.comment.unwrap_or_default(),
        rules: given.rules.unwrap_or_default(),
        tags: given.tags.unwrap_or_default(),
        ids: given.ids.unwrap_or_default(),
        window: given.window.ok_or_else(missing)?,
        by: request.viewer.name().to_owned(),
    };
    if let Window::Span { to_s, .. } = new.window
        && to_s <= request.now_s()
    {
        return Err(ApiError::new(409, format!("to ({to_s}) is not in the future: the silence would never hold")));
    }
    let id = request.engine.registry().add_silence(new, request.now_s())?;
    Ok(success(json!({"id": id})))
}

fn edit(request: &ApiRequest<'_>) -> ApiResult {
    let body = request.body::<SilenceBody>()?;
    let registry = request.engine.registry();
    let before = registry.silence(request.number);
    let edit = body.into_edit(request.now_s(), before.as_ref().map(|before| &before.window))?;
    registry.edit_silence(request.number, edit)?;
    Ok(success(()))
}

fn remove(request: &ApiRequest<'_>) -> ApiResult {
    request.engine.registry().remove_silence(request.number)?;
    Ok(success(()))
}

impl SilenceBody {
    /// `before` is the window that there is, of which `from` or `to` may stay.
    fn into_edit(self, now_s: i64, before: Option<&Window>) -> Result<SilenceEdit, ApiError> {
        let Self { comment, rules, tags, ids: servers, from, to, weekly } = self;
        let window = match (from, to, weekly) {
            (None, None, None) => None,
            (None, None, Some(Object(weekly))) => Some(weekly.read()?),
            (_, _, Some(_)) => return Err(ApiError::new(400, "weekly: write either this, or from and to")),
            (from, to, None) => {
                let (from_before, to_before) = match before {
                    Some(Window::Span { from_s, to_s }) => (Some(*from_s), Some(*to_s)),
                    _ => (None, None),
                };
                let from_s = time("from", from)?.or(from_before).unwrap_or(now_s);
                let to_s = time("to", to)?.or(to_before);
                let to_s = to_s.ok_or_else(|| ApiError::new(400, "to: it is missing, and from needs it"))?;
                Some(Window::Span { from_s, to_s })
            }
        };
        Ok(SilenceEdit { comment, rules: rules.map(ids), tags, ids: servers.map(ids), window })
    }
}

impl WeeklyBody {
    fn read(self) -> Result<Window, ApiError> {
        let day = |name: &String| {
            let all = DAYS.join(", ");
            let found = DAYS.iter().position(|day| day == name);
            found.ok_or_else(|| ApiError::new(400, format!("weekly.days: {name:?} must be one of {all}")))
        };
        let days = self.days.iter().map(day).try_fold(0, |days, day| day.map(|day| days | 1 << day))?;
        let (start_minute, end_minute) = (minute_of("weekly.start", &self.start)?, minute_of("weekly.end", &self.end)?);
        Ok(Window::Weekly { days, start_minute, end_minute, zone: self.zone })
    }
}

/// A time in Unix seconds.
fn time(field: &str, given: Option<WholeNumber<u64>>) -> Result<Option<i64>, ApiError> {
    let wrong = |seconds: u64| ApiError::new(400, format!("{field}: {seconds} is no time in Unix seconds"));
    given.map(|WholeNumber(seconds)| i64::try_from(seconds).map_err(|_| wrong(seconds))).transpose()
}

/// Minutes after midnight of a time such as `22:00`.
fn minute_of(field: &str, text: &str) -> Result<u16, ApiError> {
    let number = |digits: &str| {
        let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| is_two)
    };
    let minutes = text.split_once(':').and_then(|(hours, minutes)| {
        let minute = number(hours)? * 60 + number(minutes).filter(|minutes| *minutes < 60)?;
        Some(minute).filter(|minute| *minute <= 24 * 60)
    });
    minutes.ok_or_else(|| ApiError::new(400, format!("{field}: {text:?} is no time of day: write one such as 22:00")))
}

fn time_text(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let weekly = json!({"days": list(text()), "start": text(), "end": text(), "zone": text()});
    let silence = json!({
        "id": integer(), "comment": text(), "rules": list(integer()), "tags": list(text()), "ids": list(integer()),
        "from": maybe("integer"), "to": maybe("integer"), "weekly": nullable(object(weekly)), "created": integer(),
        "by": text(), "active": flag(),
    });
    let weekly = json!({
        "days": {"type": "array", "items": one_of(&DAYS), "minItems": 1}, "zone": short(),
        "start": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
        "end": {"type": "string", "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"},
    });
    let fields = json!({
        "comment": nullable(note()), "rules": nullable(some(natural(), 0, RULES_MAX)),
        "tags": nullable(some(short(), 0, RULE_TAGS_MAX)), "ids": nullable(some(natural(), 0, RULE_IDS_MAX)),
        "from": expires(), "to": expires(), "weekly": nullable(body(weekly, &["days", "start", "end", "zone"])),
    });
    vec![
        ("Silences", envelope(list(object(silence)))),
        ("AddSilence", body(fields.clone(), &[])),
        ("EditSilence", body(fields, &[])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read_as_they_are_written() {
        for minute in [0, 1, 59, 60, 719, 1320, 1439, 1440] {
            assert_eq!(minute_of("start", &time_text(minute)).ok(), Some(minute));
        }
        assert_eq!(time_text(1325), "22:05");
        for wrong in
            ["", "22", "22:5", "2:05", "24:01", "25:00", "22:60", "-1:00", "22:00:00", "22:00\n", "٢٢:00", "+1:00"]
        {
            assert!(minute_of("start", wrong).is_err(), "{wrong:?}");
        }
    }
}
