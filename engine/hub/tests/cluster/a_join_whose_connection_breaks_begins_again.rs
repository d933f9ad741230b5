//! The connection to the other hub breaks in the middle of a backup. The backup is fetched again, and nothing is left
//! of a join that was given up.

use std::io::{Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::hub::wait_until;
use crate::hubs::{Hubs, invitation};
use windfire_bench::hub_process::HubProcess;

/// Bytes of an answer after which a connection breaks: the list of files and some of them have come by then.
const BYTES_UNTIL_CUT: u64 = 8 * 1024;

/// A way to a hub which breaks.
struct Relay {
    address: SocketAddr,
    /// Connections that still break.
    cuts: Arc<AtomicUsize>,
}

impl Relay {
    fn to(hub: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let cuts = Arc::new(AtomicUsize::new(0));
        let to_cut = Arc::clone(&cuts);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let left = to_cut.load(Ordering::SeqCst);
                to_cut.store(left.saturating_sub(1), Ordering::SeqCst);
                let hub = TcpStream::connect(hub).expect("a hub that runs");
                thread::spawn(move || carry(client, hub, left > 0));
            }
        });
        Self { address, cuts }
    }
}

fn carry(mut client: TcpStream, mut hub: TcpStream, is_cut: bool) {
    let (mut from_client, mut to_hub) = (client.try_clone().expect("a socket"), hub.try_clone().expect("a socket"));
    thread::spawn(move || {
        let _until_one_ends = copy(&mut from_client, &mut to_hub);
    });
    let limit = if is_cut { BYTES_UNTIL_CUT } else { u64::MAX };
    let _until_one_ends = copy(&mut (&mut hub).take(limit), &mut client);
    let _may_be_gone = client.flush();
    for socket in [&client, &hub] {
        let _may_be_gone = socket.shutdown(Shutdown::Both);
    }
}

#[test]
fn nothing_is_kept_of_half_a_backup() {
    let mut cluster = Hubs::new(1, 20);
    cluster.start();
    let (first, joining) = (&cluster.hubs[0], cluster.hub("hub-1", &[]));
    let (invitation, relay) = (invitation(first), Relay::to(first.http()));
    let from = format!("http://{}", relay.address);
    let join = || {
        let output = cluster.run(&joining, "join", "hub-1", &["--from", &from, "--invitation-file", &invitation]);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };

    relay.cuts.store(usize::MAX, Ordering::SeqCst);
    let (is_done, said) = join();
    assert!(!is_done && said.contains("the connection ended before all of it came"), "{said}");
    // Not the connections: more of them are made if the hub is slow to notice that one broke.
    assert_eq!(said.matches("it is fetched again").count(), 2, "there were three tries: {said}");
    assert!(!joining.data().exists(), "nothing is left");

    relay.cuts.store(1, Ordering::SeqCst);
    let (is_done, said) = join();
    assert!(is_done && said.matches("it is fetched again").count() == 1, "{said}");
    assert!(joining.data().join("CLUSTER").is_file() && !joining.data().join("restoring").exists());
    let list = |hub: &HubProcess| hub.cli(&["server", "list", "--json"]).stdout;
    let servers = |hub: &HubProcess| String::from_utf8_lossy(&list(hub)).into_owned();
    let (found, sent) = (servers(&joining), servers(first));
    assert!(found == sent && found.contains("server-00019"), "{found} is not {sent}");
    wait_until("the hub keeps nothing of what it sent", || !first.data().join("sending").exists());
}
