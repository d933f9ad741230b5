//! How many brokers have a copy of each stream, as the hub sees it now and then.

use windfire_cluster::StreamState;

/// What the looks have shown.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The stream that lacks most, as of the newest look.
    worst: Option<Worst>,
    /// Whether one lacked a copy at the look before too. A broker that is slow for a moment is nothing to tell.
    lacked_before: bool,
}

/// A stream that lacks as many copies as any other, or more.
#[derive(Debug)]
struct Worst {
    stream: String,
    current: usize,
    all: usize,
}

impl Copies {
    /// Notes a look.
    pub(super) fn count(&mut self, streams: Vec<StreamState>) {
        let lacks = |stream: &StreamState| stream.replicas.saturating_sub(stream.current);
        let worst = streams.into_iter().max_by_key(lacks);
        self.lacked_before = self.worst.as_ref().is_some_and(Worst::lacks);
        self.worst = worst.map(|stream| Worst { stream: stream.name, current: stream.current, all: stream.replicas });
    }

    /// The fewest copies that a stream has. `None` before the first look.
    pub(super) fn fewest(&self) -> Option<usize> {
        self.worst.as_ref().map(|worst| worst.current)
    }

    /// The stream that lacks most, if it has lacked something for some time.
    pub(super) fn missing(&self) -> Option<String> {
        let worst = self.worst.as_ref().filter(|worst| worst.lacks() && self.lacked_before)?;
        let Worst { stream, current, all } = worst;
        Some(format!("the stream {stream} has {current} of its {all} copies: a broker is down, or does not keep up"))
    }
}

impl Worst {
    fn lacks(&self) -> bool {
        self.current < self.all
    }
}

#[cfg(test)]
mod tests {
    use windfire_cluster::StreamOf;

    use super::*;

    fn stream(number: u16, current: usize) -> StreamState {
        StreamState {
            of: StreamOf::Partition(number),
            name: format!("WF_main_{number:02}"),
            leader: Some("b1".to_owned()),
            replicas: 3,
            current,
            first: 1,
            last: 9,
            messages: 9,
            bytes: 900,
        }
    }

    #[test]
    fn a_broker_that_is_down_is_told_at_the_second_look() {
        let mut copies = Copies::default();
        assert_eq!((copies.fewest(), copies.missing()), (None, None));
        for (current, is_told) in [(3, false), (2, false), (2, true), (3, false), (1, false), (3, false), (2, false)] {
            copies.count(vec![stream(0, 3), stream(1, current), stream(2, 3)]);
            assert_eq!((copies.fewest(), copies.missing().is_some()), (Some(current), is_told));
        }
        copies.count(vec![stream(0, 3), stream(1, 2), stream(2, 3)]);
        let told = copies.missing().expect("for the second time");
        assert!(told.contains("WF_main_01 has 2 of its 3 copies"), "{told}");
    }
}
