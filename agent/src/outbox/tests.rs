//! Outboxes of both kinds.

use windfire_wire::WireError;

use super::*;

fn report(time_ms: i64) -> Report {
    Report { time_ms, ..Report::default() }
}

fn welcome(durable: u64, next: u64) -> Welcome {
    Welcome { server_id: 1, durable, next, report_interval_ms: 0 }
}

fn sequences_and_times(outbox: &mut Outbox) -> Vec<(u64, i64)> {
    let mut all = Vec::new();
    while let Some(pending) = outbox.next(3).expect("readable") {
        outbox.sent(&pending, pending.reports.len());
        all.extend((pending.first_sequence..).zip(pending.reports.iter().map(|report| report.time_ms)));
    }
    all
}

fn both_kinds(check: impl Fn(&mut dyn FnMut() -> Outbox)) {
    check(&mut || Outbox::in_memory(7));
    let mut folders = Vec::new();
    check(&mut || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = SpoolOptions { folder: folder.path().join("spool"), bytes_max: 4 << 20 };
        folders.push(folder);
        Outbox::in_spool(&options, 7).expect("a new spool")
    });
}

#[test]
fn reports_stay_until_acked_and_go_out_in_order() {
    both_kinds(|new| {
        let mut outbox = new();
        (1..=5).for_each(|time| outbox.push(report(time)).expect("room"));
        outbox.welcome(welcome(0, 1)).expect("welcome");
        assert_eq!(sequences_and_times(&mut outbox), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        outbox.ack(3);
        assert_eq!(outbox.len(), 2);
        // The next connection starts with the first report without an ack.
        outbox.welcome(welcome(3, 4)).expect("welcome");
        assert_eq!(sequences_and_times(&mut outbox), [(4, 4), (5, 5)]);
    });
}

#[test]
fn what_the_hub_has_without_an_ack_is_not_sent_again() {
    both_kinds(|new| {
        let mut outbox = new();
        (1..=5).for_each(|time| outbox.push(report(time)).expect("room"));
        outbox.welcome(welcome(0, 1)).expect("welcome");
        sequences_and_times(&mut outbox);
        outbox.welcome(welcome(4, 5)).expect("welcome");
        assert_eq!(sequences_and_times(&mut outbox), [(5, 5)]);
    });
}

#[test]
fn readings_never_sent_are_renumbered_not_forgotten() {
    let mut outbox = Outbox::in_memory(7);
    (1..=3).for_each(|time| outbox.push(report(time)).expect("room"));
    // The hub has 300 reports of this server, none of them from this outbox.
    outbox.welcome(welcome(0, 301)).expect("welcome");
    assert_eq!(sequences_and_times(&mut outbox), [(301, 1), (302, 2), (303, 3)]);
    outbox.ack(302);
    // Another outbox took 304 to 310 in the meantime; 303 was sent but is not durable. The next number says which
    // reading it is, as 303 did.
    outbox.push(report(4)).expect("room");
    outbox.welcome(welcome(302, 311)).expect("welcome");
    assert_eq!(sequences_and_times(&mut outbox), [(STRIDE + 303, 3), (STRIDE + 304, 4)]);
}

/// Numbers that an honest hub lets a session leave out.
const JUMP_MAX: u64 = 1 << 32;

#[test]
fn a_hub_that_lies_about_its_numbers_spoils_no_other_hub() {
    both_kinds(|new| {
        for lie in [1 << 50, NEXT_MAX] {
            let mut outbox = new();
            (1..=5).for_each(|time| outbox.push(report(time)).expect("room"));
            // The first welcome of all is the lie.
            outbox.welcome(welcome(0, lie)).expect("welcome");
            let told = sequences_and_times(&mut outbox);
            assert!(told.len() == 5 && told[0].0 >= lie, "{told:?}");
            // An honest hub has nothing of this server, and takes these numbers.
            outbox.welcome(welcome(0, 1)).expect("welcome");
            let told = sequences_and_times(&mut outbox);
            let first = told[0].0;
            assert!(first <= JUMP_MAX, "{first}");
            assert_eq!(told, (first..).zip(1..=5).collect::<Vec<(u64, i64)>>());
            // It stores two of them, and its ack is lost. Then the liar comes again, and then the honest one.
            outbox.welcome(welcome(0, lie)).expect("welcome");
            assert_eq!(sequences_and_times(&mut outbox).len(), 5);
            outbox.welcome(welcome(first + 1, first + 2)).expect("welcome");
            let rest = [(first + 2, 3), (first + 3, 4), (first + 4, 5)];
            assert_eq!(sequences_and_times(&mut outbox), rest, "each reading once");
        }
    });
}

#[test]
fn a_number_that_only_looks_taken_loses_no_reading() {
    let mut outbox = Outbox::in_memory(7);
    outbox.push(report(1)).expect("room");
    // This outbox's run is at 50 according to the hub, but this reading was never sent.
    outbox.welcome(welcome(50, 51)).expect("welcome");
    assert_eq!(sequences_and_times(&mut outbox), [(51, 1)]);
}

#[test]
fn an_ack_of_what_was_never_sent_is_not_believed() {
    both_kinds(|new| {
        let mut outbox = new();
        outbox.push(report(1)).expect("room");
        outbox.welcome(welcome(0, 1)).expect("welcome");
        outbox.ack(u64::MAX - 1);
        assert_eq!(outbox.len(), 1);
    });
}

#[test]
fn a_reading_that_cannot_be_sent_is_refused() {
    both_kinds(|new| {
        let refused = new().push(Report { cpu: f64::NAN, ..Report::default() });
        assert!(matches!(refused, Err(PushError::Report(WireError::NonFinite { what: "cpu" }))));
    });
}

#[test]
fn memory_is_bounded() {
    let mut outbox = Outbox::in_memory(7);
    (0..MEMORY_REPORTS_MAX).for_each(|_| outbox.push(report(1)).expect("room"));
    assert!(matches!(outbox.push(report(2)), Err(PushError::Full)));
    assert_eq!(outbox.len(), MEMORY_REPORTS_MAX);
}
