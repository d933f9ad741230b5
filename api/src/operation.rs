//! An operation of the API: a path, a method, the access, the parameters and the handler. The router, the page at `/`
//! and the OpenAPI document are all built from these.

use windfire_engine::token::Scope;

use crate::admission::Work;
use crate::query::Query;
use crate::request::{ApiError, ApiRequest, ApiResult};
use crate::schema::Schemas;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Every client.
    Anyone,
    /// Guests, if the operator allows them, and all who may read.
    Guests,
    /// A token with that scope, or a login whose role has it.
    Scope(Scope),
    /// A login, but not a token.
    Login,
    /// An administrator's login, but not a token.
    AdminLogin,
}

/// How an unauthorised request is answered. Nezha v0's own routes keep its way, all others use the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalStyle {
    /// HTTP 200 with code 403 in the body, as in Nezha v0.
    InBody,
    /// HTTP 401 or 403.
    InStatus,
}

/// The values that a parameter may have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// Unsigned integers, separated by commas. Invalid ones are ignored.
    Ids,
    /// One of these.
    OneOf(fn() -> Vec<&'static str>),
    /// Some of these, split at commas.
    SomeOf(fn() -> Vec<&'static str>),
    /// A whole number within these bounds.
    Number(u64, u64),
}

/// A parameter of a query, or of the path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) is_in_path: bool,
    pub(crate) is_required: bool,
    pub(crate) kind: Kind,
    pub(crate) about: &'static str,
}

/// Operations that belong together, and the schemas that only they use.
pub(crate) struct Section {
    pub(crate) operations: &'static [Operation],
    pub(crate) schemas: fn() -> Schemas,
}

/// A path, a method and their handler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    /// Its name in the OpenAPI document.
    pub(crate) name: &'static str,
    /// The handler.
    pub(crate) answered_by: Handler,
    /// The cost of an answer, as far as the operation determines it. An answer from history adds more once it is
    /// planned.
    pub(crate) work: Work,
    /// As OpenAPI writes it: a part such as `{id}` is a number. There are two of them at most.
    pub(crate) path: &'static str,
    /// The method. GET includes HEAD.
    pub(crate) method: &'static str,
    /// Who may call it.
    pub(crate) access: Access,
    /// How unauthorised requests are answered.
    pub(crate) refusal: RefusalStyle,
    /// Whether unknown parameters are ignored, as in Nezha. Otherwise they are refused.
    pub(crate) ignores_unknown: bool,
    /// Name of the body's schema, when it takes one.
    pub(crate) body: Option<&'static str>,
    pub(crate) about: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// Name of the answer's schema.
    pub(crate) answer: &'static str,
    /// Whether a browser that is signed in must send the header that only our own page knows.
    pub(crate) wants_csrf_token: bool,
}

/// Answers a request.
pub(crate) type Handler = fn(&ApiRequest<'_>) -> ApiResult;

pub(crate) const fn parameter(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, is_in_path: false, is_required: false, kind, about }
}

pub(crate) const ID: Parameter = parameter("id", Kind::Ids, "Servers by id, separated by commas, in that order");
pub(crate) const TAG: Parameter = parameter("tag", Kind::Text, "Servers of exactly this tag. `id` is then ignored");
pub(crate) const FROM: Parameter =
    parameter("from", Kind::Text, "Unix seconds, RFC 3339, or before now (-24h). Default: one day before `to`");
pub(crate) const TO: Parameter = parameter("to", Kind::Text, "As `from`. Default: now");

/// Defaults of an operation of the API.
pub(crate) const READ: Operation = Operation {
    name: "",
    answered_by: |_| Err(ApiError::new(404, "no such path")),
    work: Work::Small,
    path: "",
    method: "GET",
    access: Access::Scope(Scope::Read),
    refusal: RefusalStyle::InStatus,
    ignores_unknown: false,
    body: None,
    about: "",
    parameters: &[],
    answer: "",
    wants_csrf_token: false,
};

/// The same where Nezha had the route before.
pub(crate) const NEZHA: Operation = Operation { refusal: RefusalStyle::InBody, ignores_unknown: true, ..READ };

/// Defaults of an operation of the panel.
pub(crate) const MANAGE: Operation =
    Operation { access: Access::Scope(Scope::Admin), answer: "Done", wants_csrf_token: true, ..READ };

pub(crate) const ID_IN_PATH: Parameter = in_path("id", "The id");

/// A number in the path.
pub(crate) const fn in_path(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, is_in_path: true, is_required: true, kind: Kind::Number(0, u64::MAX), about }
}

/// The match of a path and a method.
pub(crate) enum Match {
    /// An operation, and the numbers in the path, 0 where there is none.
    Operation(&'static Operation, [u64; 2]),
    /// The path only has other methods, for the header `Allow`.
    OtherMethods(String),
    /// No such path.
    Nothing,
}

impl Operation {
    /// The operation of that path and method.
    pub(crate) fn find(
        operations: &(impl Iterator<Item = &'static Self> + Clone),
        path: &str,
        method: &http::Method,
    ) -> Match {
        let of_path = || operations.clone().filter_map(|operation| Some((operation, operation.numbers_in(path)?)));
        if let Some((operation, numbers)) = of_path().find(|(operation, _)| operation.answers_to(method)) {
            return Match::Operation(operation, numbers);
        }
        let methods: Vec<&str> = of_path().flat_map(|(operation, _)| operation.methods()).copied().collect();
        if methods.is_empty() { Match::Nothing } else { Match::OtherMethods(methods.join(", ")) }
    }

    /// Whether this operation takes the query.
    pub(crate) fn check(&self, query: &Query) -> Result<(), String> {
        if self.ignores_unknown {
            return Ok(());
        }
        let names: Vec<&str> = self.parameters.iter().filter(|one| !one.is_in_path).map(|one| one.name).collect();
        query.check(&names)
    }

    /// The numbers in the path, 0 where it has none. `None` for another path.
    fn numbers_in(&self, path: &str) -> Option<[u64; 2]> {
        let (mut numbers, mut found) = ([0u64; 2], 0);
        let (mut parts, mut given) = (self.path.split('/'), path.split('/'));
        loop {
            match (parts.next(), given.next()) {
                (None, None) => return Some(numbers),
                (Some(part), Some(text)) if part.starts_with('{') => {
                    // u64::from_str takes a plus sign.
                    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                    *numbers.get_mut(found)? = text.parse().ok().filter(|_| is_number)?;
                    found += 1;
                }
                (Some(part), Some(text)) if part == text => {}
                _ => return None,
            }
        }
    }

    fn methods(&self) -> &'static [&'static str] {
        match self.method {
            "GET" => &["GET", "HEAD"],
            "POST" => &["POST"],
            "PUT" => &["PUT"],
            "PATCH" => &["PATCH"],
            _ => &["DELETE"],
        }
    }

    fn answers_to(&self, method: &http::Method) -> bool {
        self.methods().contains(&method.as_str())
    }
}

/// Whether answering that request may wait for the disk or for a password's hash. If so, it must run where no other
/// request waits for it.
pub fn is_blocking(method: &http::Method) -> bool {
    !matches!(*method, http::Method::GET | http::Method::HEAD | http::Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_the_path_where_it_has_them() {
        let numbers = |of: &'static str, path: &str| Operation { path: of, ..READ }.numbers_in(path);
        assert_eq!(numbers("/a/{id}", "/a/7"), Some([7, 0]));
        assert_eq!(numbers("/a/{rule}/{server}/do", "/a/7/0/do"), Some([7, 0]));
        assert_eq!(numbers("/a/{rule}/{server}/do", "/a/1/18446744073709551615/do"), Some([1, u64::MAX]));
        assert_eq!(numbers("/a/b", "/a/b"), Some([0, 0]));
        for path in ["/a/", "/a", "/a/+7", "/a/7/", "/a/x", "/a/7/b", "/b/7", "/a/18446744073709551616", "a/7", ""] {
            assert_eq!(numbers("/a/{id}", path), None, "{path}");
        }
        assert_eq!(numbers("/a/{rule}/{server}/do", "/a/7/do"), None);
    }
}
