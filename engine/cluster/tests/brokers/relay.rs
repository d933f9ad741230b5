//! A network between a hub and a broker that loses what it is told to lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use windfire_cluster::BrokerOptions;

/// A relay to one broker.
pub(crate) struct Relay {
    port: u16,
    loses: Arc<Loses>,
    cuts: watch::Sender<u64>,
}

#[derive(Default)]
struct Loses {
    requests: AtomicBool,
    answers: AtomicBool,
    /// Bytes that were lost on both ways.
    bytes: AtomicU64,
}

impl Relay {
    /// One to the broker at that port.
    pub(crate) async fn to(broker: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let loses = Arc::<Loses>::default();
        let (cuts, _) = watch::channel(0);
        let (shared, watch) = (Arc::clone(&loses), cuts.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, broker, Arc::clone(&shared), watch.clone()));
            }
        });
        Self { port, loses, cuts }
    }

    /// The options of a hub that reaches the brokers only through this relay.
    pub(crate) fn options(&self, mut options: BrokerOptions) -> BrokerOptions {
        options.urls = vec![self.url()];
        options.are_urls_all = true;
        options
    }

    /// Where the broker is reached through it.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From now on nothing that the broker says arrives.
    pub(crate) fn lose_answers(&self) {
        self.loses.answers.store(true, Ordering::SeqCst);
    }

    /// From now on nothing that the hub says arrives.
    pub(crate) fn lose_requests(&self) {
        self.loses.bytes.store(0, Ordering::SeqCst);
        self.loses.requests.store(true, Ordering::SeqCst);
    }

    /// Bytes that were lost since then.
    pub(crate) fn lost_bytes(&self) -> u64 {
        self.loses.bytes.load(Ordering::SeqCst)
    }

    /// Ends every connection; the next ones lose nothing.
    pub(crate) fn heal(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
        self.loses.answers.store(false, Ordering::SeqCst);
        self.loses.requests.store(false, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, broker: u16, loses: Arc<Loses>, mut cuts: watch::Receiver<u64>) {
    // Cuts of earlier connections are none of this one.
    cuts.mark_unchanged();
    let Ok(server) = TcpStream::connect(("127.0.0.1", broker)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server, &loses.requests, &loses.bytes) => {}
        () = copy(from_server, to_client, &loses.answers, &loses.bytes) => {}
        _ = cuts.changed() => {}
    }
}

/// Carries bytes until an end. What was lost leaves a hole, so a connection that lost something is cut before it is
/// used again.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_lost: &AtomicBool,
    lost: &AtomicU64,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if is_lost.load(Ordering::SeqCst) {
            lost.fetch_add(u64::try_from(count).expect("a few bytes"), Ordering::SeqCst);
        } else if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}
