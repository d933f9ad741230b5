//! The cluster of the hub, if it is one of several.

use serde_json::json;

use crate::answer::Answer;
use crate::operation::{MANAGE, Operation};
use crate::request::{ApiRequest, success};
use crate::schema::{Schemas, envelope, flag, integer, list, maybe, nullable, number, object, text};

pub(crate) const OPERATIONS: [Operation; 1] = [Operation {
    name: "Cluster",
    answered_by: |request| Ok(show(request)),
    path: "/api/v1/cluster",
    about: "How the hub stands in its cluster. `result` is null for a hub that is alone",
    answer: "Cluster",
    ..MANAGE
}];

fn show(request: &ApiRequest<'_>) -> Answer {
    success(request.api.cluster.as_ref().map(|cluster| cluster.describe()))
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let broker = json!({"name": text(), "version": text(), "is_synced": maybe("boolean")});
    let hub = json!({"hub_id": text(), "runs": flag(), "renewed_s": integer()});
    let partition = json!({"partition": integer(), "applied": integer(), "lag_messages": integer(), "lag_s": number()});
    let cluster = json!({
        "name": text(), "hub_id": text(), "not_ready": maybe("string"), "broker": maybe("string"), "lease_s": integer(),
        "brokers": list(object(broker)), "is_sync_stated": flag(), "warnings": list(text()),
        "missing_copies": maybe("string"), "hubs": list(object(hub)),
        "alerts_hub_id": maybe("string"), "registry_applied": integer(), "registry_lag_messages": integer(),
        "partitions": list(object(partition)),
    });
    vec![("Cluster", envelope(nullable(object(cluster))))]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cluster::{ClusterBroker, ClusterHub, ClusterPartition, ClusterState};

    /// Whether a value has the keys of a schema, all of them and no others.
    fn has_keys_of(value: &Value, schema: &Value) -> bool {
        match value {
            Value::Object(found) => {
                let Some(named) = schema["properties"].as_object() else { return false };
                let fits =
                    |(key, value): (&String, &Value)| named.get(key).is_some_and(|schema| has_keys_of(value, schema));
                found.len() == named.len() && found.iter().all(fits)
            }
            Value::Array(items) => !items.is_empty() && items.iter().all(|item| has_keys_of(item, &schema["items"])),
            _ => schema["properties"].is_null() && schema["items"].is_null(),
        }
    }

    #[test]
    fn the_schema_has_the_keys_of_the_answer() {
        let (name, version) = ("b1".to_owned(), "2.15.1".to_owned());
        let state = ClusterState {
            name: "main".to_owned(),
            hub_id: "a".to_owned(),
            not_ready: None,
            broker: None,
            lease_s: 7,
            brokers: vec![ClusterBroker { name, version, is_synced: None }],
            is_sync_stated: true,
            warnings: vec!["too few brokers".to_owned()],
            missing_copies: None,
            hubs: vec![ClusterHub { hub_id: "a".to_owned(), runs: true, renewed_s: 2 }],
            alerts_hub_id: None,
            registry_applied: 6,
            registry_lag_messages: 0,
            partitions: vec![ClusterPartition { partition: 0, applied: 8, lag_messages: 4, lag_s: 0.5 }],
        };
        let schemas = schemas();
        let schema = &schemas[0].1["properties"]["result"];
        let mut shown = serde_json::to_value(&state).expect("JSON");
        assert!(has_keys_of(&shown, schema), "{shown} {schema}");
        shown["hubs"][0]["more"] = json!(1);
        assert!(!has_keys_of(&shown, schema), "the comparison sees everything");
    }
}
