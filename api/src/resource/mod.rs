//! What the panel and the command line manage, one file each: operations, bodies, answers, shapes, and what is done. Each answer
//! is an envelope with a `result`.

pub(crate) mod enrol_token;
pub(crate) mod hub;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod token;
pub(crate) mod user;

use crate::request::{ApiError, ApiRequest};
use crate::whole_number::WholeNumber;

pub(super) fn in_future(request: &ApiRequest<'_>, expires: Option<WholeNumber<i64>>) -> Result<Option<i64>, ApiError> {
    match expires.map(|WholeNumber(expires_s)| expires_s) {
        Some(expires_s) if expires_s <= request.now_s() => {
            Err(ApiError::new(409, format!("expires ({expires_s}) is not in the future")))
        }
        other => Ok(other),
    }
}
