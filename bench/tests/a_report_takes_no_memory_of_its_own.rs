//! From the bytes of a frame through decoding, session, shard and head: memory grows with the kept reports, not with
//! all that pass. Heads grow by doubling, so that one report in fifty allocates. An allocation for each would waste
//! time.

use windfire_bench::sessions::Sessions;
use windfire_engine::Scratch;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const SERVERS: usize = 500;
const ROUNDS: usize = 100;

#[test]
fn a_report_takes_no_memory_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sessions = Sessions::open(folder.path(), SERVERS);
    let mut scratch = Scratch::default();
    // The first reports allocate a session's and a shard's buffers.
    for _ in 0..20 {
        let frames = sessions.frames(1);
        sessions.take(&frames, &mut scratch);
        sessions.engine.commit().expect("on disk");
    }
    let rounds: Vec<Vec<Vec<u8>>> = (0..ROUNDS).map(|_| sessions.frames(1)).collect();
    let profiler = dhat::Profiler::builder().testing().build();
    let before = dhat::HeapStats::get().total_blocks;
    for frames in &rounds {
        sessions.take(frames, &mut scratch);
    }
    let allocations = dhat::HeapStats::get().total_blocks - before;
    drop(profiler);
    let reports = (SERVERS * ROUNDS) as u64;
    println!("{allocations} allocations for {reports} reports");
    assert!(allocations * 20 < reports, "{allocations} allocations for {reports} reports");
}
