//! The panel's pages and their files, which are part of this program.

use http::HeaderName;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use rust_embed::RustEmbed;

use crate::answer::Answer;
use crate::table::operations;

/// The output of `npm run build` in `api/web`. Empty if there was no Node.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Files;

const INDEX: &str = "index.html";

/// Only this hub's own content: no script but its own files, and no other site may put the panel into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Paths at which the panel shows a page. They are also in `api/web/src/pages/index.ts`, because a build of the hub
/// needs no Node. `router.test.ts` fails when the two lists differ.
const PAGES: [&str; 11] =
    ["/", "/login", "/alerts", "/rules", "/channels", "/silences", "/api", "/manage", "/enrol", "/users", "/cluster"];

/// The page or file at that path. `prefix` is before the paths that a page without the panel names.
pub(crate) fn answer(path: &str, prefix: &str) -> Option<Answer> {
    if is_page(path) {
        return Some(page(path, prefix));
    }
    let name = path.strip_prefix('/').filter(|name| *name != INDEX)?;
    // A development build reads them from a folder.
    if name.split('/').any(|segment| matches!(segment, "." | "..")) {
        return None;
    }
    let file = Files::get(name)?;
    let answer = Answer::whole(200, content_type(name), file.data);
    // Vite puts a hash of the bytes into the names of its output.
    Some(if name.starts_with("assets/") { answer.immutable() } else { answer })
}

/// Whether a page of the panel is at that path.
pub(crate) fn is_page(path: &str) -> bool {
    let is_server = || path.strip_prefix("/server/").is_some_and(|id| id.parse::<u64>().is_ok());
    PAGES.contains(&path) || is_server()
}

/// The relative address of a page, as seen from the same address with a slash at its end. A proxy may serve the hub
/// under another path.
pub(crate) fn relative(page: &str) -> String {
    format!("../{}", page.rsplit('/').next().unwrap_or_default())
}

/// The page's HTML names its files relative to the root, so a deeper path needs steps up.
fn seen_from(path: &str, html: &str) -> String {
    let up = "../".repeat(path.matches('/').count().saturating_sub(1));
    if up.is_empty() { html.to_owned() } else { html.replace("=\"./", &format!("=\"{up}")) }
}

fn page(path: &str, prefix: &str) -> Answer {
    let answer = match Files::get(INDEX) {
        Some(file) => {
            let html = seen_from(path, &String::from_utf8_lossy(&file.data));
            Answer::whole(200, "text/html; charset=utf-8", html.into_bytes())
        }
        None => Answer::text(200, without_panel(prefix)),
    };
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ];
    headers.into_iter().fold(answer, |answer, (name, value)| answer.with(name, value))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "json" | "webmanifest" => "application/json",
        _ => "application/octet-stream",
    }
}

/// The page that replaces the panel.
fn without_panel(prefix: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "Windfire {version}\n\nThis hub was built without its panel, because Node.js was missing. To get it: install Node.js 20.19 \
         or newer with npm,\nrun \"make build\" again, and restart the hub. Everything else works without it:\n\n"
    );
    for operation in operations() {
        let path = format!("{prefix}{}", operation.path);
        text.push_str(&format!("{:<6} {path:<34} {}\n", operation.method, operation.about));
    }
    text.push_str(
        "GET    /healthz, /readyz, /metrics\n\n\
         Send an API token as \"Authorization: <token>\". Create one with \"windfire token add\".\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Request;
    use windfire_engine::{Engine, Options};

    use super::*;
    use crate::{Api, BasePath, Caller, handle};

    #[test]
    fn files_are_found_from_every_page_under_any_path() {
        let html = r#"<link href="./favicon.svg"><script src="./assets/index-a.js"></script><a href="./x">./y</a>"#;
        assert_eq!(seen_from("/", html), html);
        assert_eq!(seen_from("/manage", html), html);
        let deeper =
            r#"<link href="../favicon.svg"><script src="../assets/index-a.js"></script><a href="../x">./y</a>"#;
        assert_eq!(seen_from("/server/5", html), deeper);
    }

    #[test]
    fn a_slash_too_many_leads_back_under_any_path() {
        assert_eq!((relative("/manage"), relative("/server/5")), ("../manage".to_owned(), "../5".to_owned()));
        assert!(is_page("/server/5") && is_page("/") && !is_page("/server/x") && !is_page("/server/"));
    }

    #[test]
    fn a_redirection_stays_beside_the_page_it_came_from() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Arc::new(Engine::open(folder.path(), Options::default()).expect("a new store"));
        let caller = Caller { peer: [127, 0, 0, 1].into(), now_ms: 1_700_000_000_000 };
        let ask_of = |api: &Api, path: &str| {
            let request = Request::get(path).body(bytes::Bytes::new()).expect("a request");
            let response = handle(api, &engine, &request, caller);
            let location = response.headers().get("location").map(|value| value.to_str().expect("text").to_owned());
            (response.status().as_u16(), location)
        };
        let ask = |path: &str| ask_of(&Api::default(), path);
        assert_eq!(ask("/manage/"), (301, Some("../manage".to_owned())));
        assert_eq!(ask("/server/5/?a=b"), (301, Some("../5?a=b".to_owned())));
        assert_eq!(ask("/server/5"), (200, None));
        assert_eq!(ask("/server/five/"), (404, None));
        // v0's clients know this one as it is.
        assert_eq!(ask("/api/v1/server/list/").1, Some("/api/v1/server/list".to_owned()));
        let below = Api { base_path: BasePath::parse("/wind/").expect("valid"), ..Api::default() };
        assert_eq!(ask_of(&below, "/manage/"), (301, Some("../manage".to_owned())));
        assert_eq!(ask_of(&below, "/api/v1/server/list/").1, Some("/wind/api/v1/server/list".to_owned()));
    }

    #[test]
    fn the_built_page_names_its_files_relative_to_itself() {
        let Some(file) = Files::get(INDEX) else { return };
        let html = String::from_utf8_lossy(&file.data).into_owned();
        assert!(html.contains("src=\"./assets/"), "{html}");
        assert!(!html.contains("=\"/"), "{html}");
    }
}
