//! One alert, a rule for a server, as a state machine. Time is handed in, from a clock that never leaps.
//!
//! ```text
//!          bad                  bad for long enough
//!  ok ───────────► pending ───────────────────────────► firing
//!   ▲   not bad       │                                   │ good
//!   ├─────────────────┘                                   ▼
//!   └──────────────── good for long enough ──────────── clearing ── not good ──► firing
//! ```
//! A server without a value freezes its alert: nothing begins and nothing ends until there is a value again.

/// How many parts the time that a rule waits is divided into, for rules that need a share of it.
const PARTS: u32 = u64::BITS;

/// How long a rule waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    /// Milliseconds for which it must be bad before the alert fires.
    pub(super) for_ms: i64,
    /// The part of that time in which it must be bad, 0.5–1.
    pub(super) share: f64,
    /// Milliseconds for which it must be good before the alert is resolved.
    pub(super) keep_ms: i64,
}

/// What a look at a server says, by the conditions of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Every condition holds.
    Bad,
    /// Not every condition holds, but every value is still on the bad side of its clear bound.
    Between,
    /// Some value is on the good side of its clear bound.
    Good,
    /// Some value is missing.
    Nothing,
}

/// Where an alert is, when it is not ok.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is bad, not yet for long enough.
    Pending,
    /// It fires.
    Firing,
    /// It fires and is good, not yet for long enough.
    Clearing,
}

/// An alert that is not ok.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) stage: Stage,
    /// When the stage began, without the time in which there was no value.
    pub(super) since_ms: i64,
    /// Since when there is no value.
    pub(super) frozen_ms: Option<i64>,
    /// The newest look at a value.
    looked_ms: i64,
    /// Whether it was bad in each part of the time that the rule waits, the newest in the lowest bit.
    bad_parts: u64,
}

/// What a look changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that anybody is told.
    None,
    /// It has become pending.
    Pending,
    /// It was pending and is ok.
    Withdrawn,
    /// It fires.
    Fired,
    /// It fired and is ok.
    Resolved,
    /// It has no value any more.
    Frozen,
    /// It has a value again.
    Thawed,
}

impl Progress {
    /// An alert that was in this stage since then, as it goes on after a start.
    pub(super) fn resumed(stage: Stage, since_ms: i64, now_ms: i64) -> Self {
        // What was seen before the start is not known any more. It was bad then, or it would not be pending.
        Self { stage, since_ms, frozen_ms: None, looked_ms: now_ms, bad_parts: u64::MAX }
    }

    /// Whether there has been enough of it for the alert to fire.
    fn is_due(&self, terms: &Terms, now_ms: i64) -> bool {
        let wanted = (terms.share * f64::from(PARTS)).ceil();
        now_ms - self.since_ms >= terms.for_ms && f64::from(self.bad_parts.count_ones()) >= wanted
    }

    /// Notes what was seen since the newest look.
    fn note(&mut self, terms: &Terms, is_bad: bool, now_ms: i64) {
        let part_ms = (terms.for_ms / i64::from(PARTS)).max(1);
        let passed = now_ms.div_euclid(part_ms) - self.looked_ms.div_euclid(part_ms);
        self.looked_ms = now_ms;
        match u32::try_from(passed) {
            // In the same part, which is bad if it is bad throughout.
            Ok(0) if is_bad => {}
            Ok(0) => self.bad_parts &= !1,
            Ok(passed @ 1..PARTS) => {
                let new = if is_bad { (1 << passed) - 1 } else { 0 };
                self.bad_parts = self.bad_parts << passed | new;
            }
            _ => self.bad_parts = if is_bad { u64::MAX } else { 0 },
        }
    }
}

/// Takes the alert on by one look.
pub(super) fn step(alert: &mut Option<Progress>, terms: &Terms, seen: Seen, now_ms: i64) -> Change {
    let Some(progress) = alert else {
        if seen != Seen::Bad {
            return Change::None;
        }
        let progress = Progress {
            stage: if terms.for_ms == 0 { Stage::Firing } else { Stage::Pending },
            since_ms: now_ms,
            frozen_ms: None,
            looked_ms: now_ms,
            bad_parts: 1,
        };
        let change = if progress.stage == Stage::Firing { Change::Fired } else { Change::Pending };
        *alert = Some(progress);
        return change;
    };
    if seen == Seen::Nothing {
        return match progress.stage {
            Stage::Pending => {
                *alert = None;
                Change::Withdrawn
            }
            Stage::Firing | Stage::Clearing if progress.frozen_ms.is_some() => Change::None,
            Stage::Firing | Stage::Clearing => {
                progress.frozen_ms = Some(now_ms);
                Change::Frozen
            }
        };
    }
    let thawed = progress.frozen_ms.take();
    // Time without a value counts neither as bad nor as good.
    progress.since_ms += thawed.map_or(0, |frozen_ms| now_ms - frozen_ms);
    let change = match progress.stage {
        Stage::Pending => {
            progress.note(terms, seen == Seen::Bad, now_ms);
            if seen == Seen::Bad && progress.is_due(terms, now_ms) {
                (progress.stage, progress.since_ms) = (Stage::Firing, now_ms);
                Change::Fired
            } else if (seen != Seen::Bad && terms.share >= 1.0) || progress.bad_parts == 0 {
                *alert = None;
                Change::Withdrawn
            } else {
                Change::None
            }
        }
        Stage::Firing if seen == Seen::Good && terms.keep_ms == 0 => {
            *alert = None;
            Change::Resolved
        }
        Stage::Firing if seen == Seen::Good => {
            (progress.stage, progress.since_ms) = (Stage::Clearing, now_ms);
            Change::None
        }
        Stage::Firing => Change::None,
        Stage::Clearing if seen != Seen::Good => {
            (progress.stage, progress.since_ms) = (Stage::Firing, now_ms);
            Change::None
        }
        Stage::Clearing if now_ms - progress.since_ms >= terms.keep_ms => {
            *alert = None;
            Change::Resolved
        }
        Stage::Clearing => Change::None,
    };
    if change == Change::None && thawed.is_some() { Change::Thawed } else { change }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A look, and when it was.
    type Look = (i64, Seen);

    /// The same by going over every look from the first one, with nothing remembered in between.
    fn naive(terms: &Terms, looks: &[Look]) -> (Option<Stage>, Vec<Change>) {
        let (mut changes, mut stage, mut begun) = (Vec::new(), None, 0);
        for (number, (now_ms, seen)) in looks.iter().enumerate() {
            let first_of_stage = looks[begun].0;
            let gone_ms = without_value(&looks[begun..=number]);
            let lasted_ms = now_ms - first_of_stage - gone_ms;
            let was_frozen = number > 0 && stage.is_some() && looks[number - 1].1 == Seen::Nothing;
            let (next, change) = match (stage, seen) {
                (None, Seen::Bad) if terms.for_ms == 0 => (Some(Stage::Firing), Change::Fired),
                (None, Seen::Bad) => (Some(Stage::Pending), Change::Pending),
                (None, _) | (Some(Stage::Pending), Seen::Nothing) => {
                    (None, if stage.is_some() { Change::Withdrawn } else { Change::None })
                }
                (Some(stage), Seen::Nothing) => (Some(stage), if was_frozen { Change::None } else { Change::Frozen }),
                (Some(Stage::Pending), seen) => {
                    let bad = bad_parts(terms, &looks[begun..=number]);
                    if *seen == Seen::Bad && lasted_ms >= terms.for_ms && bad as f64 >= terms.share * 64.0 {
                        (Some(Stage::Firing), Change::Fired)
                    } else if (terms.share >= 1.0 && *seen != Seen::Bad) || bad == 0 {
                        (None, Change::Withdrawn)
                    } else {
                        (stage, Change::None)
                    }
                }
                (Some(Stage::Firing), Seen::Good) if terms.keep_ms == 0 => (None, Change::Resolved),
                (Some(Stage::Firing), Seen::Good) => (Some(Stage::Clearing), Change::None),
                (Some(Stage::Firing), _) => (stage, Change::None),
                (Some(Stage::Clearing), Seen::Good) if lasted_ms >= terms.keep_ms => (None, Change::Resolved),
                (Some(Stage::Clearing), Seen::Good) => (stage, Change::None),
                (Some(Stage::Clearing), _) => (Some(Stage::Firing), Change::None),
            };
            changes.push(if change == Change::None && was_frozen && *seen != Seen::Nothing {
                Change::Thawed
            } else {
                change
            });
            if next != stage {
                (stage, begun) = (next, number);
            }
        }
        (stage, changes)
    }

    /// Milliseconds from each first look without a value to the next one with one.
    fn without_value(looks: &[Look]) -> i64 {
        let (mut gone_ms, mut from) = (0, None);
        for (now_ms, seen) in looks {
            match (seen, from) {
                (Seen::Nothing, None) => from = Some(*now_ms),
                (Seen::Nothing, Some(_)) | (_, None) => {}
                (_, Some(from_ms)) => {
                    gone_ms += now_ms - from_ms;
                    from = None;
                }
            }
        }
        gone_ms
    }

    /// Of the newest 64 parts, those that were bad.
    fn bad_parts(terms: &Terms, looks: &[Look]) -> usize {
        let part_ms = (terms.for_ms / 64).max(1);
        let part = |now_ms: i64| now_ms.div_euclid(part_ms);
        let newest = looks.last().map_or(0, |(now_ms, _)| part(*now_ms));
        let is_bad = |of: i64| {
            let covers = |(number, (now_ms, _)): &(usize, &Look)| match number.checked_sub(1) {
                Some(before) => part(*now_ms) == of || (part(looks[before].0) < of && of < part(*now_ms)),
                None => part(*now_ms) == of,
            };
            let mut of_part = looks.iter().enumerate().filter(covers).peekable();
            of_part.peek().is_some() && of_part.all(|(_, (_, seen))| *seen == Seen::Bad)
        };
        (newest - 63..=newest).filter(|of| is_bad(*of)).count()
    }

    fn seen() -> impl Strategy<Value = Seen> {
        prop_oneof![6 => Just(Seen::Bad), 2 => Just(Seen::Between), 3 => Just(Seen::Good), 1 => Just(Seen::Nothing)]
    }

    proptest! {
        #[test]
        fn an_alert_is_what_all_its_looks_say(
            for_s in prop_oneof![Just(0i64), 1i64..30, 30i64..600],
            share in prop_oneof![Just(1.0), 0.5f64..1.0],
            keep_s in prop_oneof![Just(0i64), 1i64..120],
            looks in proptest::collection::vec((1i64..20_000, seen(), 1usize..8), 1..200),
        ) {
            let terms = Terms { for_ms: for_s * 1000, share, keep_ms: keep_s * 1000 };
            let (mut now_ms, mut all, mut alert, mut changes) = (5_000, Vec::new(), None, Vec::new());
            for (passed_ms, seen, times) in looks {
                for _ in 0..times {
                    now_ms += passed_ms;
                    all.push((now_ms, seen));
                    changes.push(step(&mut alert, &terms, seen, now_ms));
                }
            }
            let (stage, expected) = naive(&terms, &all);
            prop_assert_eq!(changes, expected);
            prop_assert_eq!(alert.map(|alert| alert.stage), stage);
        }

        #[test]
        fn each_recovery_has_its_fault(
            looks in proptest::collection::vec((1i64..60_000, seen()), 1..300),
            share in 0.5f64..1.0,
        ) {
            let terms = Terms { for_ms: 30_000, share, keep_ms: 10_000 };
            let (mut now_ms, mut alert, mut fires) = (0, None, false);
            for (passed_ms, seen) in looks {
                now_ms += passed_ms;
                match step(&mut alert, &terms, seen, now_ms) {
                    Change::Fired => {
                        prop_assert!(!fires);
                        fires = true;
                    }
                    Change::Resolved => {
                        prop_assert!(fires);
                        fires = false;
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(fires, alert.is_some_and(|alert| alert.stage != Stage::Pending));
        }
    }

    #[test]
    fn a_rule_fires_after_its_time_and_is_resolved_after_its_own() {
        let terms = Terms { for_ms: 60_000, share: 1.0, keep_ms: 60_000 };
        let (mut alert, mut told) = (None, Vec::new());
        for second in (0..300).step_by(5) {
            let seen = if second < 100 { Seen::Bad } else { Seen::Good };
            let change = step(&mut alert, &terms, seen, second * 1000);
            if change != Change::None {
                told.push((second, change));
            }
        }
        assert_eq!(told, [(0, Change::Pending), (60, Change::Fired), (160, Change::Resolved)]);
    }
}
