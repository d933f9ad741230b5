//! A receiver whose certificate nobody vouches for gets nothing, unless its channel says that it is not checked.

#[allow(dead_code, reason = "each test needs a part of it")]
mod fakes;

use fakes::{Fake, answer, outbound, webhook};
use windfire_engine::alert::channel::NewChannel;
use windfire_outbound::{Retry, samples};

#[tokio::test]
async fn who_vouches_for_a_receiver() {
    for (host, is_known, tls_verify, is_sent) in [
        ("localhost", true, true, true),
        ("localhost", false, true, false),
        ("127.0.0.1", true, true, false),
        ("localhost", false, false, true),
        ("127.0.0.1", false, false, true),
    ] {
        let fake = Fake::with_tls(vec![answer(200, "")]).await;
        // One that is not known is somebody else's.
        let other = Fake::with_tls(Vec::new()).await;
        let root = if is_known { &fake.certificate } else { &other.certificate };
        let kind = webhook(format!("https://{host}:{}/secret-path", fake.address.port()));
        let channel = NewChannel { tls_verify, ..NewChannel::of("hook", kind) }.into_channel(1, 0);
        let result = outbound(vec![root.clone()]).send(&samples::firing(), &channel, None).await;
        println!("{host}, known {is_known}, checked {tls_verify}: {result:?}");
        assert_eq!((result.is_ok(), fake.requests().len()), (is_sent, usize::from(is_sent)));
        if let Err(error) = result {
            assert_eq!(error.retry, Retry::Later);
            assert!(error.text.contains("certificate") && !error.text.contains("secret-path"), "{error}");
        }
    }
}
