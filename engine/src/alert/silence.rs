//! A silence: when alerts are not told, and which. They are judged and shown all the same.

use super::channel::check_zone;
use super::rule::{check_count, check_tags, in_order};
use super::zone::{LocalTime, local_time};
use crate::error::{ChangeError, check_length};
use crate::limits::{NOTE_CHARS_MAX, RULE_IDS_MAX, RULES_MAX};

/// Names of the days of a [`Window::Weekly`], in the order of their bits.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// The bits of all days.
const ALL_DAYS: u8 = 0b111_1111;
/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// When a silence holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// Once.
    Span {
        /// Unix seconds.
        from_s: i64,
        /// Unix seconds at which it is over.
        to_s: i64,
    },
    /// Every week.
    Weekly {
        /// The days on which it begins: one bit each, Monday's the lowest.
        days: u8,
        /// Minutes after midnight at which it begins.
        start_minute: u16,
        /// Minutes after midnight at which it is over. On the next day if that is before `start_minute`.
        end_minute: u16,
        /// The time zone of these times, by its name in the IANA database.
        zone: String,
    },
}

impl Window {
    /// Whether it holds at that time. By the clock on the wall: an hour that a time zone leaves out is in no window,
    /// and one that it repeats is in the window twice.
    pub fn holds(&self, now_s: i64) -> bool {
        match self {
            Self::Span { from_s, to_s } => (*from_s..*to_s).contains(&now_s),
            Self::Weekly { days, start_minute, end_minute, zone } => {
                // A zone that is not known any more silences nothing: rather a message too many than one too few.
                let Some(LocalTime { weekday, minute }) = local_time(zone, now_s) else { return false };
                let begins_on = |weekday: u8| days >> weekday & 1 == 1;
                if start_minute < end_minute {
                    begins_on(weekday) && (*start_minute..*end_minute).contains(&minute)
                } else {
                    let yesterday = (weekday + 6) % 7;
                    (begins_on(weekday) && minute >= *start_minute) || (begins_on(yesterday) && minute < *end_minute)
                }
            }
        }
    }

    fn check(&self) -> Result<(), ChangeError> {
        let wrong = |field: &'static str, reason: &str| Err(ChangeError::bad_field(field, reason));
        match self {
            Self::Span { from_s, to_s } if from_s >= to_s => wrong("to", "it is not after from"),
            Self::Span { .. } => Ok(()),
            Self::Weekly { days, start_minute, end_minute, zone } => {
                if !(1..=ALL_DAYS).contains(days) {
                    return wrong("weekly.days", "name at least one day: mon, tue, wed, thu, fri, sat, sun");
                }
                if *start_minute >= DAY_MINUTES {
                    return wrong("weekly.start", "write a time of day, from 00:00 to 23:59");
                }
                if *end_minute > DAY_MINUTES {
                    return wrong("weekly.end", "write a time of day, from 00:00 to 24:00");
                }
                if start_minute == end_minute {
                    return wrong("weekly.end", "it is the same as start: a whole day is from 00:00 to 24:00");
                }
                check_zone("weekly.zone", zone)
            }
        }
    }
}

/// A time in which some alerts are not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Given out once, never again.
    pub id: u64,
    /// Why it was created.
    pub comment: String,
    /// Alerts of these rules, in ascending order; of any rule when empty.
    pub rules: Vec<u64>,
    /// Alerts of servers of exactly these tags; of any server when empty.
    pub tags: Vec<String>,
    /// Alerts of these servers, in ascending order; of any server when empty.
    pub ids: Vec<u64>,
    /// When it holds.
    pub window: Window,
    /// Unix seconds.
    pub created_s: i64,
    /// Who created it.
    pub by: String,
}

impl Silence {
    /// Whether it holds at that time.
    pub fn is_active(&self, now_s: i64) -> bool {
        self.window.holds(now_s)
    }

    /// Whether it is over for good.
    pub fn is_over(&self, now_s: i64) -> bool {
        matches!(self.window, Window::Span { to_s, .. } if to_s <= now_s)
    }

    /// Whether it is about the alert of that rule for that server: whether it fits everything that the silence names.
    /// The hub has the id 0 and no tag, so a silence that names servers or tags is not about it.
    pub fn is_about(&self, rule_id: u64, server_id: u64, tag: &str) -> bool {
        let is_of_server = self.ids.is_empty() || self.ids.binary_search(&server_id).is_ok();
        let is_of_tag = self.tags.is_empty() || (server_id != 0 && self.tags.iter().any(|found| found == tag));
        let is_of_rule = self.rules.is_empty() || self.rules.binary_search(&rule_id).is_ok();
        is_of_rule && is_of_server && is_of_tag
    }

    /// Whether it keeps that alert from being told at that time.
    pub fn covers(&self, rule_id: u64, server_id: u64, tag: &str, now_s: i64) -> bool {
        self.is_about(rule_id, server_id, tag) && self.is_active(now_s)
    }

    /// Checks everything that can be checked without knowing which rules and servers there are.
    ///
    /// # Errors
    /// The field that has a wrong value.
    pub fn check(&self) -> Result<(), ChangeError> {
        check_length("comment", &self.comment, NOTE_CHARS_MAX)?;
        check_count("rules", "rules", self.rules.len(), RULES_MAX)?;
        check_tags("tags", &self.tags)?;
        check_count("ids", "servers", self.ids.len(), RULE_IDS_MAX)?;
        self.window.check()
    }

    fn put_in_order(&mut self) {
        in_order(&mut self.rules);
        in_order(&mut self.tags);
        in_order(&mut self.ids);
    }
}

/// A silence to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is that of Silence")]
pub struct NewSilence {
    pub comment: String,
    pub rules: Vec<u64>,
    pub tags: Vec<String>,
    pub ids: Vec<u64>,
    pub window: Window,
    pub by: String,
}

impl NewSilence {
    /// The silence, with its lists in order. It is not checked yet.
    pub fn into_silence(self, id: u64, created_s: i64) -> Silence {
        let Self { comment, rules, tags, ids, window, by } = self;
        let mut silence = Silence { id, comment, rules, tags, ids, window, created_s, by };
        silence.put_in_order();
        silence
    }
}

/// A change to a silence. Fields that are `None` stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is that of Silence")]
pub struct SilenceEdit {
    pub comment: Option<String>,
    pub rules: Option<Vec<u64>>,
    pub tags: Option<Vec<String>>,
    pub ids: Option<Vec<u64>>,
    pub window: Option<Window>,
}

impl SilenceEdit {
    /// The silence with this change, its lists in order. It is not checked yet.
    pub(crate) fn applied_to(self, silence: &Silence) -> Silence {
        let old = silence.clone();
        let mut silence = Silence {
            comment: self.comment.unwrap_or(old.comment),
            rules: self.rules.unwrap_or(old.rules),
            tags: self.tags.unwrap_or(old.tags),
            ids: self.ids.unwrap_or(old.ids),
            window: self.window.unwrap_or(old.window),
            ..old
        };
        silence.put_in_order();
        silence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 21 September 2026, 00:00 UTC.
    const MONDAY_S: i64 = 1_789_948_800;

    fn weekly(days: u8, start_minute: u16, end_minute: u16, zone: &str) -> Window {
        Window::Weekly { days, start_minute, end_minute, zone: zone.to_owned() }
    }

    fn silence(window: Window) -> Silence {
        NewSilence { comment: String::new(), rules: vec![], tags: vec![], ids: vec![], window, by: "ada".into() }
            .into_silence(1, MONDAY_S)
    }

    /// Each hour of a week in which it holds, counted from Monday, 00:00 UTC.
    fn hours(window: &Window) -> Vec<i64> {
        (0..7 * 24).filter(|hour| window.holds(MONDAY_S + hour * 3600)).collect()
    }

    #[test]
    fn a_span_holds_from_its_beginning_and_not_at_its_end() {
        let span = silence(Window::Span { from_s: 10, to_s: 20 });
        assert_eq!([9, 10, 19, 20].map(|now_s| span.is_active(now_s)), [false, true, true, false]);
        assert_eq!([9, 19, 20].map(|now_s| span.is_over(now_s)), [false, false, true]);
        assert!(!silence(weekly(1, 0, 60, "UTC")).is_over(i64::MAX));
    }

    #[test]
    fn a_weekly_window_holds_on_its_days_and_over_midnight_to_the_next() {
        assert_eq!(hours(&weekly(0b000_0001, 22 * 60, 24 * 60, "UTC")), [22, 23]);
        assert_eq!(hours(&weekly(0b000_0001, 22 * 60, 7 * 60, "UTC")), (22..31).collect::<Vec<_>>());
        // Sunday evening goes on into Monday.
        assert_eq!(hours(&weekly(0b100_0000, 23 * 60, 60, "UTC")), [0, 6 * 24 + 23]);
        assert_eq!(hours(&weekly(0b010_0000, 0, 24 * 60, "UTC")), (5 * 24..6 * 24).collect::<Vec<_>>());
        // 22:00 in Shanghai is 14:00 UTC, and Monday begins there on Sunday.
        assert_eq!(hours(&weekly(0b000_0001, 0, 60, "Asia/Shanghai")), [6 * 24 + 16]);
        assert_eq!(hours(&weekly(0b000_0001, 22 * 60, 24 * 60, "Asia/Shanghai")), [14, 15]);
        assert_eq!(hours(&weekly(0b111_1111, 0, 60, "Mars/Olympus")), [0; 0]);
    }

    #[test]
    fn a_weekly_window_follows_the_clock_on_the_wall() {
        // 03:00 to 04:00 in Berlin: on 28 March 2026 two hours after UTC's 00:00, the day after one hour after it.
        let window = weekly(0b111_1111, 3 * 60, 4 * 60, "Europe/Berlin");
        let saturday_s = 1_774_656_000;
        let begins = |day_s: i64| (0..24 * 60).find(|minute| window.holds(day_s + minute * 60));
        assert_eq!([begins(saturday_s), begins(saturday_s + 86_400)], [Some(120), Some(60)]);
        // The hour from 02:00 on is left out that night.
        let skipped = weekly(0b111_1111, 2 * 60, 3 * 60, "Europe/Berlin");
        assert!((0..24 * 60).all(|minute| !skipped.holds(saturday_s + 86_400 + minute * 60)));
    }

    #[test]
    fn a_silence_is_about_what_fits_all_that_it_names() {
        let any = silence(Window::Span { from_s: 0, to_s: 9 });
        assert!(any.is_about(1, 7, "web") && any.is_about(1, 0, ""));
        let named =
            Silence { rules: vec![1, 3], tags: vec!["db".into(), "web".into()], ids: vec![5, 7], ..any.clone() };
        assert!(named.is_about(3, 7, "web") && named.is_about(1, 5, "db"));
        assert!(!named.is_about(2, 7, "web") && !named.is_about(3, 6, "web") && !named.is_about(3, 7, "Web"));
        let no_tag = Silence { tags: vec![String::new()], ..any };
        assert!(no_tag.is_about(1, 7, "") && !no_tag.is_about(1, 0, ""), "the hub has no tag, not even an empty one");
        assert!(named.covers(3, 7, "web", 8) && !named.covers(3, 7, "web", 9) && !named.covers(2, 7, "web", 8));
    }

    #[test]
    fn wrong_windows_are_refused_by_the_name_of_the_field() {
        let refused = |window: Window| silence(window).check().err().map(|error| error.to_string());
        assert_eq!(refused(Window::Span { from_s: 1, to_s: 2 }), None);
        assert_eq!(refused(weekly(127, 0, 24 * 60, "Europe/Berlin")), None);
        for (window, field) in [
            (Window::Span { from_s: 2, to_s: 2 }, "to: "),
            (weekly(0, 0, 1, "UTC"), "weekly.days: "),
            (weekly(128, 0, 1, "UTC"), "weekly.days: "),
            (weekly(1, 24 * 60, 1, "UTC"), "weekly.start: "),
            (weekly(1, 0, 24 * 60 + 1, "UTC"), "weekly.end: "),
            (weekly(1, 5, 5, "UTC"), "weekly.end: "),
            (weekly(1, 0, 1, "Mars"), "weekly.zone: "),
        ] {
            let said = refused(window.clone()).unwrap_or_default();
            assert!(said.starts_with(field), "{window:?}: {said:?}");
        }
    }
}
