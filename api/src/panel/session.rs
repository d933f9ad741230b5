//! Signing in and out.

use http::header::SET_COOKIE;
use serde::Deserialize;
use serde_json::json;
use windfire_engine::user::{LOGIN_S, NewLogin, PasswordHash, User, UserEdit};

use super::{Asked, Done, Wrong, success};
use crate::answer::Answer;
use crate::csrf;

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

/// Who is signed in. Renews the cookie, whose end moves with each use.
pub(super) fn show(asked: &Asked<'_>) -> Answer {
    let login = asked.viewer.login();
    let answer = described(asked, login);
    match login {
        Some((_, cookie)) => answer.with(SET_COOKIE, &set_cookie(asked, cookie, LOGIN_S)),
        None => answer,
    }
}

pub(super) fn sign_in(asked: &Asked<'_>) -> Done {
    let SignIn { user, password } = asked.body()?;
    asked.api.sign_in_limit.check(asked.caller.peer).map_err(|seconds| Wrong {
        retry_after_s: Some(seconds),
        ..Wrong::new(429, format!("too many tries to sign in: wait {seconds} s"))
    })?;
    let user = asked.engine.registry().user(&user);
    let hash = user.as_ref().map_or_else(PasswordHash::of_nobody, |user| user.password.clone());
    let matches = hash.matches(&password);
    let user = user.filter(|_| matches).ok_or_else(|| Wrong::new(401, "user or password is wrong"))?;
    // A new cookie each time: one that somebody planted beforehand signs nobody in.
    let NewLogin { cookie, .. } = asked.engine.registry().add_login(None, user.name.clone(), asked.now_s())?;
    let set_cookie = set_cookie(asked, &cookie, LOGIN_S);
    Ok(described(asked, Some((&user, &cookie))).with(SET_COOKIE, &set_cookie))
}

pub(super) fn sign_out(asked: &Asked<'_>) -> Done {
    let (_, cookie) = asked.viewer.login().ok_or_else(not_signed_in)?;
    let everywhere = match asked.query.given("all") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(Wrong::new(400, format!("all {other:?} is none of true, false"))),
    };
    asked.engine.registry().end_login(cookie, everywhere);
    Ok(success(()).with(SET_COOKIE, &set_cookie(asked, "", 0)))
}

pub(super) fn change_password(asked: &Asked<'_>) -> Done {
    let (user, cookie) = asked.viewer.login().ok_or_else(not_signed_in)?;
    let OwnPassword { old, new } = asked.body()?;
    if !user.password.matches(&old) {
        return Err(Wrong::new(401, "the old password is wrong"));
    }
    let password = PasswordHash::of(&new).map_err(|wrong| Wrong::new(400, wrong))?;
    asked.engine.registry().edit_user(user.id, UserEdit { password: Some(password), role: None }, Some(cookie))?;
    Ok(success(()))
}

fn not_signed_in() -> Wrong {
    Wrong::new(401, "nobody is signed in")
}

fn described(asked: &Asked<'_>, login: Option<(&User, &str)>) -> Answer {
    success(json!({
        "user": login.map(|(user, _)| &user.name),
        "role": login.map(|(user, _)| user.role.name()),
        "csrf": login.map(|(_, cookie)| csrf::token(cookie)),
        "guests": asked.api.are_guests_allowed,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// Not for scripts, not along with other sites' requests, and over HTTPS for HTTPS alone.
fn set_cookie(asked: &Asked<'_>, value: &str, seconds: i64) -> String {
    let forwarded = asked.request.headers().get("x-forwarded-proto").map(|value| value.as_bytes());
    let is_https = asked.api.is_https || forwarded == Some(b"https");
    let secure = if is_https { "; Secure" } else { "" };
    let name = &asked.api.cookie_name;
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}
