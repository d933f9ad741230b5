//! Signing in and out.

use http::header::SET_COOKIE;
use serde::Deserialize;
use serde_json::json;
use windfire_engine::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use windfire_engine::user::{LOGIN_S, NewLogin, PasswordHash, User, UserEdit};

use crate::answer::Answer;
use crate::csrf;
use crate::limits::SERVERS_PER_CHANGE_MAX;
use crate::operation::{Access, Kind, MANAGE, Operation, parameter};
use crate::request::{ApiError, ApiRequest, ApiResult, success};
use crate::schema::{Schemas, body, envelope, flag, integer, maybe, object, password, text};

pub(crate) const OPERATIONS: [Operation; 4] = [
    Operation {
        name: "Session",
        answered_by: |request| Ok(show(request)),
        path: "/api/v1/session",
        access: Access::Anyone,
        about: "The signed-in user",
        answer: "Session",
        ..MANAGE
    },
    Operation {
        name: "SignIn",
        answered_by: sign_in,
        path: "/api/v1/session",
        method: "POST",
        access: Access::Anyone,
        wants_csrf_token: false,
        body: Some("SignIn"),
        about: "Signs in to the panel and sets its cookie",
        answer: "Session",
        ..MANAGE
    },
    Operation {
        name: "SignOut",
        answered_by: sign_out,
        path: "/api/v1/session",
        method: "DELETE",
        access: Access::Login,
        about: "Signs out",
        parameters: &[parameter("all", Kind::OneOf(|| vec!["true", "false"]), "`true` for every browser of this user")],
        ..MANAGE
    },
    Operation {
        name: "OwnPassword",
        answered_by: change_password,
        path: "/api/v1/session/password",
        method: "PUT",
        access: Access::Login,
        body: Some("OwnPassword"),
        about: "Changes the signed-in user's password, and ends this user's other sign-in sessions",
        ..MANAGE
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    user: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnPassword {
    old: String,
    new: String,
}

/// The signed-in user. Renews the cookie, as each use extends it.
fn show(request: &ApiRequest<'_>) -> Answer {
    let login = request.viewer.login();
    let answer = described(request, login);
    match login {
        Some((_, cookie)) => answer.with(SET_COOKIE, &set_cookie(request, cookie, LOGIN_S)),
        None => answer,
    }
}

fn sign_in(request: &ApiRequest<'_>) -> ApiResult {
    let SignIn { user, password } = request.body()?;
    let tries = &request.api.tries;
    request.api.sign_in_limit.check(request.caller.peer).map_err(|seconds| {
        tries.sign_ins_limited.add(1);
        let message = format!("too many tries to sign in: wait {seconds} s");
        ApiError { retry_after_s: Some(seconds), ..ApiError::new(429, message) }
    })?;
    let user = request.engine.registry().user(&user);
    let hash = user.as_ref().map_or_else(PasswordHash::of_nobody, |user| user.password.clone());
    let matches = hash.matches(&password);
    let user = user.filter(|_| matches).ok_or_else(|| {
        tries.passwords_wrong.add(1);
        ApiError::new(401, "user or password is wrong")
    })?;
    // A new cookie each time, so that a cookie that an attacker planted before is never signed in.
    let NewLogin { cookie, .. } = request.engine.registry().add_login(None, user.name.clone(), request.now_s())?;
    let set_cookie = set_cookie(request, &cookie, LOGIN_S);
    Ok(described(request, Some((&user, &cookie))).with(SET_COOKIE, &set_cookie))
}

fn sign_out(request: &ApiRequest<'_>) -> ApiResult {
    let (_, cookie) = request.viewer.login().ok_or_else(not_signed_in)?;
    let everywhere = match request.query.given("all") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(ApiError::new(400, format!("all {other:?} must be true or false"))),
    };
    request.engine.registry().end_login(cookie, everywhere);
    Ok(success(()).with(SET_COOKIE, &set_cookie(request, "", 0)))
}

fn change_password(request: &ApiRequest<'_>) -> ApiResult {
    let (user, cookie) = request.viewer.login().ok_or_else(not_signed_in)?;
    let OwnPassword { old, new } = request.body()?;
    if !user.password.matches(&old) {
        request.api.tries.passwords_wrong.add(1);
        return Err(ApiError::new(401, "the old password is wrong"));
    }
    let password = PasswordHash::of(&new).map_err(|wrong| ApiError::new(400, wrong))?;
    request.engine.registry().edit_user(user.id, UserEdit { password: Some(password), role: None }, Some(cookie))?;
    Ok(success(()))
}

fn not_signed_in() -> ApiError {
    ApiError::new(401, "no user is signed in")
}

fn described(request: &ApiRequest<'_>, login: Option<(&User, &str)>) -> Answer {
    success(json!({
        "user": login.map(|(user, _)| &user.name),
        "role": login.map(|(user, _)| user.role.name()),
        "csrf": login.map(|(_, cookie)| csrf::token(cookie)),
        "guests": request.api.are_guests_allowed,
        "version": env!("CARGO_PKG_VERSION"),
        // What the panel's forms say and hold to, so that it is written once.
        "limits": {
            "password_chars_min": PASSWORD_CHARS_MIN,
            "password_chars_max": PASSWORD_CHARS_MAX,
            "servers_per_change_max": SERVERS_PER_CHANGE_MAX,
        },
    }))
}

/// Not readable by scripts, not sent with other sites' requests or to other paths of the host, and only over HTTPS if the
/// hub was reached by HTTPS.
fn set_cookie(request: &ApiRequest<'_>, value: &str, seconds: i64) -> String {
    let forwarded = request.request.headers().get("x-forwarded-proto").map(|value| value.as_bytes());
    let is_https = request.api.is_https || forwarded == Some(b"https");
    let secure = if is_https { "; Secure" } else { "" };
    let (name, path) = (&request.api.cookie_name, &request.api.base_path);
    format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let limits = json!({
        "password_chars_min": integer(), "password_chars_max": integer(), "servers_per_change_max": integer(),
    });
    let session = json!({
        "user": maybe("string"), "role": maybe("string"), "csrf": maybe("string"), "guests": flag(), "version": text(),
        "limits": object(limits),
    });
    vec![
        ("Session", envelope(object(session))),
        ("SignIn", body(json!({"user": text(), "password": text()}), &["user", "password"])),
        ("OwnPassword", body(json!({"old": text(), "new": password()}), &["old", "new"])),
    ]
}
