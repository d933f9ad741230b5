//! A hub was away for longer than the streams reach: it does not start, because its history would have a hole. With a
//! backup of another hub it follows from there, and has every report.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::hub::wait_until;
use crate::hubs::faults::{Made, eager_agents};
use crate::hubs::{Hubs, await_acks, is_ready};
use serde_json::{Value, json};
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};
use windfire_engine::limits::SHARDS;

const AGENTS: usize = 5;

/// An operator at a broker: requests in the brokers' own protocol.
struct Operator(BufReader<TcpStream>);

impl Operator {
    fn at(port: u16) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("a broker");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        let mut operator = Self(BufReader::new(socket));
        operator.say("CONNECT {\"verbose\":false,\"user\":\"wf\",\"pass\":\"wf-secret\"}\r\nSUB answers 1\r\n");
        operator
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("sent");
    }

    /// The answer to a request of JetStream's API, which must be good.
    fn ask(&mut self, request: &str, body: &str) -> Value {
        self.say(&format!("PUB $JS.API.{request} answers {}\r\n{body}\r\n", body.len()));
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("in time") > 0, "the broker has gone");
            if line.starts_with("PING") {
                self.say("PONG\r\n");
            }
            if line.starts_with("MSG ") {
                let bytes = line.trim_end().rsplit(' ').next().and_then(|last| last.parse().ok());
                let bytes: usize = bytes.expect("a count");
                let mut answer = vec![0; bytes];
                self.0.read_exact(&mut answer).expect("in time");
                let answer: Value = serde_json::from_slice(&answer).expect("JSON");
                assert!(answer["error"].is_null(), "{request}: {answer}");
                return answer;
            }
        }
    }

    /// Takes all messages of a stream but the last one, as time does.
    fn age(&mut self, stream: &str) {
        let mut config = self.ask(&format!("STREAM.INFO.{stream}"), "")["config"].take();
        for messages_max in [1, -1] {
            config["max_msgs"] = json!(messages_max);
            self.ask(&format!("STREAM.UPDATE.{stream}"), &config.to_string());
        }
    }
}

#[test]
fn a_hub_is_away_for_too_long() {
    let mut cluster = Hubs::new(2, AGENTS);
    cluster.start();
    let target = Target::of(&cluster.hubs[0]);
    let run = |first_number| {
        let options = SwarmOptions { first_number: Some(first_number), ..eager_agents() };
        let mut swarm = Swarm::start_at(&target, &cluster.credentials, options);
        // More than one message in each stream that has servers.
        for _ in 0..3 {
            await_acks(&swarm);
        }
        let accounts = swarm.settle();
        assert!(accounts.iter().all(|account| account.acked == account.pushed), "{accounts:?}");
        let made = |count| Made { first: first_number, count };
        (accounts.iter().map(|account| made(account.pushed)).collect::<Vec<_>>(), swarm.take_longest_silence())
    };
    let (before, _) = run(1);
    cluster.await_equal();
    assert!(cluster.hubs[1].terminate().success());
    let (meanwhile, _) = run(1_000_000);
    // Nobody reads the streams now that has not read all of them.
    let mut operator = Operator::at(cluster.brokers.brokers[0].port);
    (0..SHARDS).for_each(|partition| operator.age(&format!("WF_test_{partition:02}")));

    let said = cluster.hubs[1].try_start().expect_err("refused");
    assert!(said.contains("WF_test_") && said.contains("away for longer than the stream reaches"), "{said}");

    let data = cluster.hubs[1].data().to_owned();
    let backup = data.with_file_name("newer").display().to_string();
    let done = |number: usize, verb: &str| {
        let output = cluster.hubs[number].cli(&[verb, &backup]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    done(0, "backup");
    fs::remove_dir_all(&data).expect("its old data");
    done(1, "restore");
    cluster.hubs[1].start_at_once();
    wait_until("it is ready", || is_ready(&cluster.hubs[1]));
    let (after, silence) = run(2_000_000);
    cluster.await_equal();
    let made: Vec<Vec<Made>> = (0..AGENTS).map(|agent| vec![before[agent], meanwhile[agent], after[agent]]).collect();
    let fault = "hub away for longer than the streams reach, then restored";
    cluster.stop_and_compare(&made).tell_and_check(fault, 1, silence);
}
