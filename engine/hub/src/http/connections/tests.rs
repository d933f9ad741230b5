//! Which connection goes for a new one.

use std::time::Duration;

use tokio::time::{advance, timeout};

use super::*;

const TOKEN: Known = Known::By(Owner::Token(1));

fn address(number: u8) -> IpAddr {
    [192, 0, 2, number].into()
}

async fn enter(connections: &Arc<Connections>, number: u8) -> Slot {
    advance(Duration::from_millis(1)).await;
    connections.enter(address(number), Weak::new()).await
}

/// The task of a connection: it lives until it must be closed.
fn live(slot: Slot) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { slot.connection.evicted().await })
}

fn addresses(connections: &Connections) -> Vec<IpAddr> {
    let mut found: Vec<_> = connections.table.lock().open.values().map(|open| open.peer).collect();
    found.sort();
    found
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_takes_the_place_of_the_one_that_stood_still_longest() {
    let connections = Connections::new(3, Arc::default());
    let slots = [enter(&connections, 1).await, enter(&connections, 2).await, enter(&connections, 3).await];
    advance(Duration::from_millis(1)).await;
    slots[0].connection.progressed();
    slots.into_iter().for_each(|slot| drop(live(slot)));
    let _four = enter(&connections, 4).await;
    assert_eq!(addresses(&connections), [1, 3, 4].map(address));
}

#[tokio::test(start_paused = true)]
async fn who_opens_many_loses_their_own() {
    let connections = Connections::new(8, Arc::default());
    drop(live(enter(&connections, 1).await));
    for _ in 0..100 {
        drop(live(enter(&connections, 2).await));
    }
    let all = addresses(&connections);
    assert_eq!((all[0], all.len()), (address(1), 8), "the oldest by far, but not of a household with many");
}

#[tokio::test(start_paused = true)]
async fn clients_behind_a_proxy_are_told_apart() {
    let connections = Connections::new(4, Arc::default());
    let proxy = address(9);
    for client in [1, 2, 2, 2] {
        let slot = enter(&connections, 9).await;
        slot.connection.serves(address(client));
        drop(live(slot));
    }
    let _next = enter(&connections, 3).await;
    let clients = || {
        let mut clients: Vec<_> = connections.table.lock().open.values().map(|open| open.network()).collect();
        clients.sort();
        clients
    };
    assert_eq!(clients(), [1, 2, 2, 3].map(address), "one of who has many, although another is older");
    assert_eq!(addresses(&connections), [address(3), proxy, proxy, proxy]);
}

#[tokio::test(start_paused = true)]
async fn what_one_client_showed_protects_no_other() {
    let connections = Connections::new(1, Arc::default());
    let slot = enter(&connections, 9).await;
    let connection = Arc::clone(&slot.connection);
    assert_eq!(connection.behind_proxy(), None);
    connection.serves(address(1));
    connection.know(TOKEN).expect("room");
    connection.serves(address(1));
    assert!(connection.is_of(TOKEN), "it is the same client");
    assert_eq!(connection.behind_proxy(), Some("192.0.2.1".to_owned()));
    connection.serves(address(2));
    assert!(!connection.is_of(TOKEN));
}

/// Lets the tasks of connections that must be closed end.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_has_half_of_the_slots_and_loses_its_own_idle_ones() {
    let counters: Arc<Counters> = Arc::default();
    let connections = Connections::new(8, Arc::clone(&counters));
    drop(live(enter(&connections, 1).await));
    for number in 2..=20 {
        let slot = enter(&connections, number).await;
        slot.connection.know(TOKEN).expect("room");
        drop(live(slot));
        settle().await;
    }
    assert_eq!(addresses(&connections), [1, 17, 18, 19, 20].map(address), "its newest, from any address");
    assert_eq!((counters.http_share_closed.get(), counters.http_evicted.get()), (15, 0));
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_connections_are_all_in_use_gets_no_more() {
    let counters: Arc<Counters> = Arc::default();
    let connections = Connections::new(8, Arc::clone(&counters));
    let mut answers = Vec::new();
    for _ in 0..4 {
        let slot = enter(&connections, 1).await;
        slot.connection.know(TOKEN).expect("room");
        answers.push(slot.connection.answering());
        drop(live(slot));
    }
    let next = enter(&connections, 1).await;
    assert_eq!(next.connection.know(TOKEN), Err(Busy::Connections { max: 4 }));
    assert_eq!(counters.http_share_refused.get(), 1);
    let user = Known::By(Owner::User(1));
    assert_eq!(next.connection.know(user), Ok(()), "of the same address and with the same id");
    drop(answers.pop());
    let last = enter(&connections, 1).await;
    assert_eq!(last.connection.know(TOKEN), Ok(()), "one of them was read to its end");
    settle().await;
    assert_eq!(addresses(&connections).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_take_everything_make_no_newcomer_wait() {
    let connections = Connections::new(64, Arc::default());
    let at_once = |number: u8| timeout(Duration::from_millis(100), connections.enter(address(number), Weak::new()));
    let mut answers = Vec::new();
    for number in 0..192u8 {
        let slot = at_once(1).await.expect("no wait");
        // The first ones are in use, so each token keeps those.
        if slot.connection.know(Known::By(Owner::Token(u64::from(number % 3)))).is_ok() && number < 64 {
            answers.push(slot.connection.answering());
        }
        drop(live(slot));
    }
    assert_eq!(addresses(&connections).len(), 64);
    let strangers = [at_once(2).await.expect("no wait"), at_once(3).await.expect("no wait")];
    // Further ones of another household take each other's places.
    for _ in 0..20 {
        drop(live(at_once(4).await.expect("no wait")));
    }
    let known = Known::By(Owner::User(9));
    assert!(strangers.iter().all(|slot| !slot.connection.is_evicted() && slot.connection.know(known).is_ok()));
}

#[tokio::test(start_paused = true)]
async fn when_each_one_is_being_closed_the_first_that_is_gone_makes_room() {
    let connections = Connections::new(1, Arc::default());
    let slot = enter(&connections, 1).await;
    slot.connection.know(TOKEN).expect("room");
    let waiting = tokio::spawn({
        let connections = Arc::clone(&connections);
        async move { connections.enter(address(4), Weak::new()).await.connection.peer }
    });
    settle().await;
    assert!(slot.connection.is_evicted() && !waiting.is_finished());
    drop(slot);
    assert_eq!(waiting.await.expect("ended"), address(4));
    timeout(Duration::from_secs(1), connections.ended()).await.expect("all have ended");
}
