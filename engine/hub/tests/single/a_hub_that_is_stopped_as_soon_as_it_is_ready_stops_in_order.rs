//! Whoever is told that the hub is ready may stop it at once. It then stops as at any other moment, and leaves no socket
//! that nobody answers.

use crate::hub::new_hub;

#[test]
fn a_hub_that_is_stopped_as_soon_as_it_is_ready_stops_in_order() {
    let (_folder, mut hub) = new_hub(&[]);
    for round in 0..10 {
        let said_before = hub.log().len();
        // It returns with the line that says so.
        hub.start_at_once();
        assert!(hub.terminate().success(), "round {round}");
        let said = hub.log().split_off(said_before);
        assert!(said.iter().any(|line| line.contains("last commit done")), "round {round}: {said:#?}");
        assert!(!hub.data().join("admin.sock").exists(), "round {round}: {said:#?}");
    }
}
