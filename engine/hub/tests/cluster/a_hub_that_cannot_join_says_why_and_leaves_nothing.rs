//! What keeps a hub from joining is said with the remedy, and its data folder is as it was. The next try may succeed.

use std::fs;
use std::io::{Write, copy, sink};
use std::net::TcpListener;
use std::thread;

use crate::hub::wait_until;
use crate::hubs::brokers::plan;
use crate::hubs::{Hubs, invitation, succeeded};
use serde_json::Value;
use windfire_cluster::limits::STREAM_BYTES_MIN;
use windfire_cluster::{Names, StreamPlan, create_streams};
use windfire_engine::limits::SHARDS;

/// A program that is no hub: it greets whoever connects, for as long as the test runs.
fn no_hub() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let greeted = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
            let _until_the_client_leaves = greeted.and_then(|()| copy(&mut stream, &mut sink()));
        }
    });
    format!("http://{address}")
}

/// The streams of another cluster, under another name at the same brokers.
fn another_cluster(cluster: &Hubs) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let brokers = cluster.brokers.connect().await;
        let partitions = u16::try_from(SHARDS).expect("few");
        let plan = StreamPlan { partitions, bytes_max: STREAM_BYTES_MIN, ..plan(3) };
        create_streams(&brokers, &Names::new("other".parse().expect("a name")), &plan).await.expect("created");
    });
}

#[test]
fn each_refusal_names_its_remedy() {
    let mut cluster = Hubs::new(1, 1);
    cluster.start();
    let (first, joining) = (&cluster.hubs[0], cluster.hub("hub-1", &[]));
    let sound = invitation(first);
    let of_nobody = cluster.path("unknown").display().to_string();
    // A token may do everything in the API, and gets no backup.
    let token = first.cli(&["token", "add", "--note", "x", "--scope", "admin", "--json"]);
    let token: Value = serde_json::from_slice(&token.stdout).expect("JSON");
    let token = token["token"].as_str().expect("a token");
    fs::write(&of_nobody, token).expect("a file");
    another_cluster(&cluster);
    let mut alone = cluster.hub("alone", &[]);
    alone.start();
    let refused = alone.cli(&["cluster", "invite"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("is alone"), "{refused:?}");

    let (here, there, nobody) =
        (format!("http://{}", first.http()), format!("http://{}", alone.http()), "http://127.0.0.1:9".to_owned());
    let no_hub = no_hub();
    for (from, file, id, more, words) in [
        (&here, &of_nobody, "hub-1", &[][..], &["does not know the invitation", "windfire cluster invite"][..]),
        (&there, &sound, "hub-1", &[], &["this hub is alone", "windfire cluster init"]),
        (&no_hub, &sound, "hub-1", &[], &["no hub answers there"]),
        (&nobody, &sound, "hub-1", &[], &["no connection", "firewall"]),
        (&here, &sound, "hub-0", &[], &["cluster_hub_id", "give each hub its own"]),
        (&here, &sound, "hub-1", &["--cluster-name", "nowhere"], &["WF_nowhere_00", "cluster_name = \"nowhere\""]),
        (&here, &sound, "hub-1", &["--cluster-name", "other"], &["belongs to the cluster with the id", "cluster_name"]),
    ] {
        let mut arguments = cluster.arguments(id);
        if let [key, value] = more {
            let at = arguments.iter().position(|argument| argument == key).expect("given");
            (*value).clone_into(&mut arguments[at + 1]);
        }
        let verb = ["cluster", "join", "--from", from.as_str(), "--invitation-file", file.as_str()];
        let output = joining.cli(&verb.into_iter().chain(arguments.iter().map(String::as_str)).collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.iter().all(|word| said.contains(word)), "{from} {id}: {said}");
        assert!(!said.contains(token), "{said}");
        assert!(!joining.data().exists(), "{from} {id}: nothing is left");
    }

    // A folder with something in it stays what it is.
    fs::create_dir(joining.data()).expect("made");
    let photo = joining.data().join("holiday.jpg");
    fs::write(&photo, "x").expect("room");
    let output = cluster.run(&joining, "join", "hub-1", &["--from", &here, "--invitation-file", &sound]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"), "{output:?}");
    assert_eq!(fs::read_dir(joining.data()).expect("there").count(), 1);
    fs::remove_file(photo).expect("own");
    // What an interrupted join left does not hold up the next one.
    fs::create_dir_all(joining.data().join("restoring/rocksdb")).expect("made");
    drop(cluster.join("hub-1", first));
}

#[test]
fn the_certificate_of_the_other_hub_is_checked() {
    let cluster = Hubs::new(1, 1);
    let arguments = [cluster.arguments("hub-0"), vec!["--https".to_owned()]].concat();
    let mut first = cluster.hub("hub-0", &arguments);
    first.start_at_once();
    wait_until("the hub is ready", || {
        let status = first.cli(&["cluster", "status"]);
        String::from_utf8_lossy(&status.stdout).contains("hub hub-0 of the cluster test: ready")
    });
    let (invitation, joining) = (invitation(&first), cluster.hub("hub-1", &[]));
    let from = format!("https://{}", first.http());
    let join = |more: &[&str]| {
        let all = [&["--from", from.as_str(), "--invitation-file", invitation.as_str()][..], more].concat();
        cluster.run(&joining, "join", "hub-1", &all)
    };
    let (right, wrong) = (first.fingerprint().to_string(), "ab".repeat(32));
    for (more, words) in [(&[][..], "--fingerprint"), (&["--fingerprint", wrong.as_str()], right.as_str())] {
        let output = join(more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{said}");
        assert!(!joining.data().exists());
    }
    succeeded(&join(&["--fingerprint", &right]));
    assert_eq!(joining.cli(&["fingerprint"]).stdout, format!("{right}\n").into_bytes(), "agents know both hubs by it");
}
