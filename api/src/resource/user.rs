//! Users of the panel.

use serde::Deserialize;
use serde_json::{Value, json};
use windfire_engine::limits::USER_NAME_CHARS_MAX;
use windfire_engine::user::{PasswordHash, Role, User, UserEdit};

use crate::admission::Work;
use crate::answer::Answer;
use crate::operation::{Access, ID_IN_PATH, MANAGE, Operation};
use crate::request::{ApiError, ApiRequest, ApiResult, success};
use crate::schema::{Schemas, body, envelope, integer, list, nullable, object, password, text};

pub(crate) const OPERATIONS: [Operation; 4] = [
    Operation {
        name: "Users",
        answered_by: |request| Ok(show(request)),
        work: Work::Whole,
        path: "/api/v1/user",
        access: Access::AdminLogin,
        about: "Users of the panel",
        answer: "Users",
        ..MANAGE
    },
    Operation {
        name: "AddUser",
        answered_by: add,
        path: "/api/v1/user",
        method: "POST",
        access: Access::AdminLogin,
        body: Some("AddUser"),
        about: "Creates a user of the panel",
        answer: "Added",
        ..MANAGE
    },
    Operation {
        name: "EditUser",
        answered_by: edit,
        path: "/api/v1/user/{id}",
        method: "PATCH",
        access: Access::AdminLogin,
        body: Some("EditUser"),
        about: "Changes role or password, and ends the sign-in sessions of this user",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        name: "RemoveUser",
        answered_by: remove,
        path: "/api/v1/user/{id}",
        method: "DELETE",
        access: Access::AdminLogin,
        about: "Removes a user of the panel",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddUser {
    name: String,
    password: String,
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditUser {
    role: Option<String>,
    password: Option<String>,
}

fn show(request: &ApiRequest<'_>) -> Answer {
    let line = |user: User| -> Value {
        json!({"id": user.id, "name": user.name, "role": user.role.name(), "created": user.created_s})
    };
    success(request.engine.registry().users().into_iter().map(line).collect::<Vec<_>>())
}

fn add(request: &ApiRequest<'_>) -> ApiResult {
    let AddUser { name, password, role } = request.body()?;
    let role = role_named(&role)?;
    let password = PasswordHash::of(&password).map_err(|wrong| ApiError::new(400, wrong))?;
    let id = request.engine.registry().add_user(name, role, password, request.now_s())?;
    Ok(success(json!({"id": id})))
}

fn edit(request: &ApiRequest<'_>) -> ApiResult {
    let EditUser { role, password } = request.body()?;
    let role = role.map(|role| role_named(&role)).transpose()?;
    let password = password.map(|password| PasswordHash::of(&password)).transpose();
    let password = password.map_err(|wrong| ApiError::new(400, wrong))?;
    let own_cookie = request.viewer.login().filter(|(user, _)| user.id == request.number).map(|(_, cookie)| cookie);
    request.engine.registry().edit_user(request.number, UserEdit { role, password }, own_cookie)?;
    Ok(success(()))
}

fn remove(request: &ApiRequest<'_>) -> ApiResult {
    request.engine.registry().remove_user(request.number)?;
    Ok(success(()))
}

fn role_named(name: &str) -> Result<Role, ApiError> {
    let all = Role::ALL.map(Role::name).join(", ");
    Role::named(name).ok_or_else(|| ApiError::new(400, format!("role {name:?} must be one of {all}")))
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let user = json!({"id": integer(), "name": text(), "role": text(), "created": integer()});
    let name = json!({"type": "string", "pattern": format!("^[A-Za-z0-9_.@-]{{1,{USER_NAME_CHARS_MAX}}}$")});
    let role = || json!({"type": "string", "enum": Role::ALL.map(Role::name)});
    let add = json!({"name": name, "password": password(), "role": role()});
    vec![
        ("Users", envelope(list(object(user)))),
        ("Added", envelope(object(json!({"id": integer()})))),
        ("AddUser", body(add, &["name", "password", "role"])),
        ("EditUser", body(json!({"role": nullable(role()), "password": nullable(password())}), &[])),
    ]
}
