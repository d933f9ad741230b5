use windfire_engine::history::Tier;

use super::*;

#[test]
fn cells_stay_cells() {
    assert_eq!(csv_text("web 1"), "web 1");
    assert_eq!(csv_text("a,\"b\""), "\"a,\"\"b\"\"\"");
    assert_eq!(csv_text("=cmd()"), "'=cmd()");
}

#[test]
fn totals_add_what_can_be_added() {
    let series = |metric, value| Series {
        metric,
        aggregate: Aggregate::Mean,
        tier: Tier::Raw,
        step_ms: 1000,
        points: vec![(0, value), (1000, None)],
    };
    let mut group = Group::default();
    for value in [Some(Number::Integer(3)), Some(Number::Float(5.0)), None] {
        group.add(vec![series(Metric::MemUsed, value), series(Metric::Cpu, value)]);
    }
    let totals: Vec<_> = group.series().map(|(series, servers)| (series.points, servers)).collect();
    let point = |value| vec![(0, Some(Number::Float(value))), (1000, None)];
    assert_eq!(totals, [(point(8.0), vec![2, 0]), (point(4.0), vec![2, 0])]);
}
