//! What keeps a hub of a cluster from starting is said in the last line before it ends, with the remedy.

use std::fs;

use crate::hub::wait_until;
use crate::hubs::Hubs;

#[test]
fn each_refusal_names_its_remedy() {
    let mut cluster = Hubs::new(1, 1);
    let with = |key: &str, value: Option<&str>| {
        let mut arguments = cluster.arguments("hub-0");
        let at = arguments.iter().position(|argument| argument == key).expect("given");
        match value {
            Some(value) => arguments[at + 1] = value.to_owned(),
            None => drop(arguments.drain(at..at + 2)),
        }
        arguments
    };
    for (folder, arguments, words) in [
        (
            "new",
            cluster.arguments("hub-1"),
            &["belongs to no cluster", "windfire cluster init", "windfire cluster join --from"][..],
        ),
        ("hub-0", Vec::new(), &["belongs to a cluster", "cluster_nats", "windfire cluster leave"]),
        (
            "hub-0",
            with("--cluster-name", Some("other")),
            &["belongs to the cluster \"test\"", "cluster_name = \"other\""],
        ),
        ("hub-0", with("--cluster-nats", Some("nats://127.0.0.1:9")), &["127.0.0.1:9", "check cluster_nats"]),
        ("hub-0", with("--cluster-system-credentials-file", None), &["cluster_sync_always = true"]),
        ("hub-0", with("--cluster-credentials-file", None), &["do not admit", "cluster_credentials_file"]),
        ("hub-0", with("--cluster-hub-id", Some("hub.0")), &["cluster_hub_id"]),
    ] {
        let said = cluster.hub(folder, &arguments).try_start().expect_err("refused");
        assert!(words.iter().all(|word| said.contains(word)), "{folder} {arguments:?}: {said}");
    }

    // The file of one of the first hubs has no name.
    let membership = cluster.hub("hub-0", &[]).data().join("CLUSTER");
    let named = fs::read_to_string(&membership).expect("written");
    let (id, name) = named.trim_end().split_once('\n').expect("an id and a name");
    assert_eq!(name, "test");
    fs::write(&membership, format!("{id}\n")).expect("written");
    let said = cluster.hub("hub-0", &with("--cluster-name", Some("other"))).try_start().expect_err("refused");
    for word in ["WF_other_00", "cluster_name = \"other\"", "windfire cluster init"] {
        assert!(said.contains(word), "{word}: {said}");
    }

    // An id that is in use, on the data folder of another hub.
    let backup = cluster.hub("hub-0", &[]);
    let path = backup.data().with_file_name("copy").display().to_string();
    assert!(backup.cli(&["backup", &path]).status.success());
    cluster.start();
    let mut second = cluster.hub("hub-1", &cluster.arguments("hub-0"));
    assert!(second.cli(&["restore", &path]).status.success());
    let said = second.try_start().expect_err("refused");
    assert!(said.contains("cluster_hub_id") && said.contains("give each hub its own"), "{said}");

    // What an operator sees of the one that runs.
    wait_until("it is shown to be ready, with its brokers", || {
        let shown = cluster.hubs[0].cli(&["cluster", "status"]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        shown.contains("hub hub-0 of the cluster test: ready") && shown.contains("b3")
    });
    let stopped = second.cli(&["cluster", "status"]);
    assert!(String::from_utf8_lossy(&stopped.stderr).contains("start it, then ask again"));
}
