//! Several hubs with real brokers. They are one program, because they wait for leases and silences for most of their
//! time: so two of them run at once.

#[allow(dead_code, reason = "others need the rest of it")]
#[path = "../hub/mod.rs"]
mod hub;
#[allow(dead_code, reason = "others need the rest of it")]
#[path = "../hubs/mod.rs"]
mod hubs;

mod a_broker_that_stands_still_holds_up_acks_for_seconds;
mod a_hub_of_a_cluster_that_cannot_start_says_why_in_one_line;
mod a_hub_that_cannot_join_says_why_and_leaves_nothing;
mod a_hub_that_is_cut_off_from_its_brokers_acknowledges_nothing;
mod a_hub_that_leaves_its_cluster_is_alone_with_its_data;
mod a_hub_that_was_away_catches_up;
mod a_hub_that_was_away_for_too_long_is_told_to_join_again;
mod a_hub_that_was_away_for_too_long_starts_with_the_data_of_another;
mod a_hub_without_brokers_acknowledges_nothing_until_they_are_back;
mod a_join_whose_connection_breaks_begins_again;
mod a_rolling_restart_loses_no_report_and_tells_no_alert_twice;
mod acked_reports_of_a_cluster_survive_a_power_cut_of_all_its_machines;
mod agents_of_a_hub_that_stops_are_at_another_at_once;
mod agents_of_a_killed_hub_have_acks_elsewhere_in_seconds;
mod an_agent_that_flaps_between_hubs_reports_exactly_once;
mod hubs_and_brokers_are_killed_and_no_report_is_lost_or_doubled;
mod hubs_that_join_have_the_same_history_though_the_first_is_lost;
mod one_hub_of_a_cluster_judges_alerts_and_another_takes_over;
mod the_panel_is_told_how_a_hub_stands_in_its_cluster;
mod two_machines_with_one_credential_at_two_hubs_are_both_told;
mod what_is_decided_on_one_hub_holds_on_all;
