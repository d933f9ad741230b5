//! The route of the live stream.

use crate::admission::Work;
use crate::answer::Answer;
use crate::live;
use crate::operation::{Access, ID, Kind, Operation, READ, TAG, parameter};
use crate::query::distinct_ids;
use crate::request::{ApiRequest, ApiResult};

pub(crate) const OPERATIONS: [Operation; 1] = [Operation {
    name: "Stream",
    answered_by: stream,
    work: Work::Live,
    path: "/api/v1/server/stream",
    access: Access::Guests,
    about: "Server-sent events: all servers, then the changes of every second",
    parameters: &[
        ID,
        TAG,
        parameter("last_event_id", Kind::Text, "Continues after that event, as the header Last-Event-ID does"),
    ],
    answer: "Stream",
    ..READ
}];

fn stream(request: &ApiRequest<'_>) -> ApiResult {
    let query = request.query;
    let seen = request.request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let seen = seen.filter(|id| !id.is_empty()).or(query.given("last_event_id"));
    let subscription = live::watch(request.viewer, (query.given("tag"), query.given("id").map(distinct_ids)), seen)?;
    Ok(Answer::live(subscription))
}
