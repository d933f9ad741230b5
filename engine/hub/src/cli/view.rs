//! How the answer to a request is shown. Each resource has its views in its own file.

use serde_json::{Value, json};

use crate::admin::AgentsLine;

/// What a view may need beside the result.
pub(super) struct Context<'a> {
    /// How agents reach the hub.
    pub(super) agents: &'a AgentsLine,
    /// Unix seconds.
    pub(super) now_s: i64,
}

/// How one kind of answer is shown. `Value` is the `result` of the API's answer.
#[derive(Clone, Copy)]
pub(crate) struct View {
    /// For a person.
    pub(super) text: fn(&Value, &Context<'_>) -> String,
    /// For a script.
    pub(super) json: fn(&Value, &Context<'_>) -> Value,
    /// What to do about a refusal, by its status and message. Empty if the message says enough.
    pub(super) remedy: fn(u16, &str) -> &'static str,
}

impl View {
    /// An answer that has nothing to show.
    pub(super) const DONE: Self = Self { text: |_, _| "done".to_owned(), json: |_, _| json!({}), remedy: |_, _| "" };

    /// A list. A script gets it as the API answers it.
    pub(super) const fn list(text: fn(&Value, &Context<'_>) -> String) -> Self {
        Self { text, json: |result, _| result.clone(), remedy: |_, _| "" }
    }
}
