//! How many samples an agent gathers in one frame. A frame costs a packet each way, however many samples it holds, so
//! an overloaded hub asks for fuller frames. History keeps every sample; only the shown status gets older.
//!
//! ```text
//! level      0 ────── 100 ────── 200 ────── 300
//! samples    1         2          5         10        in between some servers are at one, some at the other
//! ```
//! The hub says how busy it is once per second. Above [`BUSY_HIGH`] the level rises, below [`BUSY_LOW`] it falls, in
//! between it stays. A step at most halves or doubles the frames, and not all servers take it at once.

use std::sync::atomic::{AtomicU32, Ordering};

use windfire_wire::limits::SAMPLES_PER_FRAME_MAX;

/// Samples per frame at levels 0, 100, 200, 300.
const STEPS: [u32; 4] = [1, 2, 5, SAMPLES_PER_FRAME_MAX];
const STEP: u32 = 100;
const LEVEL_MAX: u32 = STEP * 3;

/// Share of the time, 0–1, that threads for agents may work before frames get fuller.
const BUSY_HIGH: f64 = 0.75;
/// Share of the time above which frames get fuller fast.
const BUSY_ALARMING: f64 = 0.92;
/// Share of the time below which frames get emptier.
const BUSY_LOW: f64 = 0.5;
/// Observations in a row below that, before frames get emptier. So a short lull changes nothing.
const CALM_OBSERVATIONS: u32 = 5;

const RISE: u32 = 10;
const RISE_ALARMED: u32 = 50;
const FALL: u32 = 10;

/// How many samples agents gather now.
#[derive(Debug)]
pub(crate) struct Pacing {
    level: AtomicU32,
    level_min: AtomicU32,
    calm: AtomicU32,
}

impl Pacing {
    /// A pace that never falls below `samples_min` per frame, rounded to the next step.
    pub(crate) fn new(samples_min: u32) -> Self {
        let level_min = level_of(samples_min);
        Self { level: AtomicU32::new(level_min), level_min: AtomicU32::new(level_min), calm: AtomicU32::new(0) }
    }

    /// Never falls below `samples_min` per frame from the next observation on.
    pub(crate) fn set_min(&self, samples_min: u32) {
        self.level_min.store(level_of(samples_min), Ordering::Relaxed);
    }

    /// Samples per frame for that server.
    pub(crate) fn of(&self, server_id: u64) -> u32 {
        let level = self.level.load(Ordering::Relaxed);
        // Spread by a multiplication: neighbours in a rack should not all change at once.
        let place = u32::try_from(server_id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).unwrap_or(0) % STEP;
        let step = (level / STEP + u32::from(place < level % STEP)) as usize;
        STEPS[step.min(STEPS.len() - 1)]
    }

    /// Mean samples per frame over all servers.
    pub(crate) fn mean(&self) -> f64 {
        let level = self.level.load(Ordering::Relaxed);
        let step = (level / STEP) as usize;
        let (low, high) = (f64::from(STEPS[step]), f64::from(STEPS[(step + 1).min(STEPS.len() - 1)]));
        low + (high - low) * f64::from(level % STEP) / f64::from(STEP)
    }

    /// Takes the share of time, 0–1, that the hub's threads for agents worked since the last call, one second ago.
    pub(crate) fn observe(&self, busy: f64) {
        let level = self.level.load(Ordering::Relaxed);
        let calm = if busy < BUSY_LOW { self.calm.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
        self.calm.store(calm, Ordering::Relaxed);
        let level = match busy {
            _ if busy > BUSY_ALARMING => level + RISE_ALARMED,
            _ if busy > BUSY_HIGH => level + RISE,
            _ if calm >= CALM_OBSERVATIONS => level.saturating_sub(FALL),
            _ => level,
        };
        let level_min = self.level_min.load(Ordering::Relaxed);
        self.level.store(level.clamp(level_min, LEVEL_MAX), Ordering::Relaxed);
    }
}

/// The first level at which every frame has so many samples.
fn level_of(samples: u32) -> u32 {
    let step = STEPS.iter().position(|step| *step >= samples).unwrap_or(STEPS.len() - 1);
    u32::try_from(step).unwrap_or(0) * STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(pacing: &Pacing, samples: u32) -> usize {
        (1..=1000).filter(|id| pacing.of(*id) == samples).count()
    }

    #[test]
    fn overload_stretches_part_by_part_and_calm_brings_it_back() {
        let pacing = Pacing::new(1);
        assert_eq!(share_of(&pacing, 1), 1000);
        (0..3).for_each(|_| pacing.observe(0.8));
        let moved = share_of(&pacing, 2);
        assert!((200..400).contains(&moved) && share_of(&pacing, 1) == 1000 - moved, "{moved}");
        (0..60).for_each(|_| pacing.observe(0.99));
        assert_eq!((share_of(&pacing, 10), pacing.mean().to_bits()), (1000, 10f64.to_bits()));
        // Neither busy nor calm: the pace stays.
        (0..60).for_each(|_| pacing.observe(0.6));
        assert_eq!(share_of(&pacing, 10), 1000);
        // A short lull changes nothing. A long one takes all servers back.
        (0..4).for_each(|_| pacing.observe(0.1));
        pacing.observe(0.6);
        assert_eq!(share_of(&pacing, 10), 1000);
        (0..80).for_each(|_| pacing.observe(0.1));
        assert_eq!(share_of(&pacing, 1), 1000);
    }

    #[test]
    fn it_never_falls_below_what_was_configured() {
        let pacing = Pacing::new(4);
        (0..100).for_each(|_| pacing.observe(0.0));
        assert_eq!(share_of(&pacing, 5), 1000);
        pacing.set_min(10);
        pacing.observe(0.0);
        assert_eq!(share_of(&pacing, 10), 1000, "a higher minimum holds at once");
        pacing.set_min(1);
        (0..100).for_each(|_| pacing.observe(0.0));
        assert_eq!(share_of(&pacing, 1), 1000, "after a lower one a calm hub goes back");
    }
}
