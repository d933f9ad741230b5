//! A request that a verb makes of the hub.

use clap::Args;
use serde_json::{Map, Value};

use super::view::View;
use crate::admin::Request;

#[derive(Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A request, and how its answer is shown.
pub(crate) struct Call {
    pub(crate) request: Request,
    pub(crate) view: View,
    pub(crate) output: Output,
}

impl Call {
    /// A request that the API does not have.
    pub(crate) fn of_hub(request: Request, output: Output) -> Self {
        Self { request, view: View::DONE, output }
    }

    pub(super) fn new(method: &str, path: String, body: Option<Value>, view: View, output: Output) -> Self {
        let method = method.to_owned();
        Self { request: Request::Api { method, path, body, expires_days: None, lasts_minutes: None }, view, output }
    }

    pub(super) fn list(path: &str, view: View, output: Output) -> Self {
        Self::new("GET", path.to_owned(), None, view, output)
    }

    pub(super) fn add(path: &str, body: Value, view: View, output: Output) -> Self {
        Self::new("POST", path.to_owned(), Some(body), view, output)
    }

    pub(super) fn remove(path: &str, id: u64, view: View, output: Output) -> Self {
        Self::new("DELETE", format!("{path}/{id}"), None, view, output)
    }

    pub(super) fn edit(path: &str, id: u64, body: Value, view: View, output: Output) -> Self {
        Self::new("PATCH", format!("{path}/{id}"), Some(body), view, output)
    }

    /// The hub's clock counts the minutes, as it does the days.
    pub(super) fn lasting(mut self, minutes: Option<u32>) -> Self {
        if let Request::Api { lasts_minutes, .. } = &mut self.request {
            *lasts_minutes = minutes;
        }
        self
    }

    /// The hub's clock counts the days, because the clock of this machine may be wrong.
    pub(super) fn ending_in(mut self, days: Option<u32>) -> Self {
        if let Request::Api { expires_days, .. } = &mut self.request {
            *expires_days = days;
        }
        self
    }
}

/// A body with the keys that have a value.
pub(super) fn given<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}
