//! What people and files hand to an agent: hubs, secrets, names, addresses, fingerprints, the log's level. What is taken is taken
//! again as it is shown, and has no blanks around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windfire_agent::address::HubList;
use windfire_agent::given;
use windfire_agent::limits::{HUBS_MAX, SECRET_FILE_BYTES_MAX};
use windfire_agent::trust::Fingerprint;

fuzz_target!(|text: &str| {
    let plain = given::plain(text);
    assert_eq!(plain.trim(), plain);
    if let Ok(HubList(hubs)) = text.parse::<HubList>() {
        assert!((1..=HUBS_MAX).contains(&hubs.len()));
        for hub in &hubs {
            assert_eq!(hub.to_string().parse::<HubList>(), Ok(HubList(vec![hub.clone()])), "{hub}");
        }
    }
    if let Ok(secret) = given::secret(text) {
        // One pair of quotes is taken away, and what is inside may begin and end with others.
        assert_eq!(given::secret(&format!("\"{secret}\"")), Ok(secret.clone()));
        assert!(!secret.contains(char::is_whitespace) && secret.len() as u64 <= SECRET_FILE_BYTES_MAX);
    }
    if let Ok(fingerprint) = text.parse::<Fingerprint>() {
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }
    let _taken = (given::server_name(text), given::shown_addresses(text), given::log_filter(text), given::truth(text));
});
