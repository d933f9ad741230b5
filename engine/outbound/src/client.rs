//! One exchange of HTTP/1.1: a connection, a request, an answer.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::error::Failure;
use crate::limits::{ANSWER_BYTES_MAX, HEAD_BYTES_MAX};
use crate::stream::connect;
use crate::tls::Tls;

/// Bytes of a whole answer, with what TLS and chunks add.
const WIRE_BYTES_MAX: usize = 4 * (HEAD_BYTES_MAX + ANSWER_BYTES_MAX);

/// A request to be made.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: String,
    /// A later one takes the place of an earlier one of the same name.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// JSON for that address.
    pub(crate) fn json(url: String, body: &Value) -> Self {
        let headers = vec![(CONTENT_TYPE.to_string(), "application/json".to_owned())];
        Self { method: Method::POST, url, headers, body: body.to_string().into_bytes() }
    }
}

/// Makes requests.
pub(crate) struct Client {
    user_agent: String,
    pub(crate) tls: Tls,
    /// How long one exchange may take.
    pub(crate) exchange_max: Duration,
}

impl Client {
    pub(crate) fn new(version: &str, tls: Tls, exchange_max: Duration) -> Self {
        Self { user_agent: format!("windfire/{version}"), tls, exchange_max }
    }

    /// Makes a request, and waits for the answer.
    pub(crate) async fn exchange(&self, call: Call, is_checked: bool) -> Result<Answer, Failure> {
        let deadline = Instant::now() + self.exchange_max;
        match timeout_at(deadline, self.exchange_until(call, is_checked, deadline)).await {
            Ok(result) => result,
            Err(_) => Err(self.too_slow()),
        }
    }

    /// What is said of a receiver that does not come to an end.
    pub(crate) fn too_slow(&self) -> Failure {
        Failure::later(format!("no answer within {} s", self.exchange_max.as_secs_f64()))
    }

    async fn exchange_until(&self, call: Call, is_checked: bool, deadline: Instant) -> Result<Answer, Failure> {
        let uri =
            call.url.parse::<Uri>().map_err(|error| Failure::never(format!("the URL cannot be used: {error}")))?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(Failure::never("the URL must begin with https:// or http://")),
        };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let request = self.request(&uri, call)?;
        let stream = connect(&host, port, WIRE_BYTES_MAX).await?;
        if is_secure {
            talk(self.tls.wrap(stream, &host, is_checked).await?, request, deadline).await
        } else {
            talk(stream, request, deadline).await
        }
    }

    fn request(&self, uri: &Uri, call: Call) -> Result<Request<Full<Bytes>>, Failure> {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{target}");
        let mut request = Request::new(Full::new(Bytes::from(call.body)));
        *request.method_mut() = call.method;
        *request.uri_mut() =
            target.parse::<Uri>().map_err(|error| Failure::never(format!("the URL cannot be used: {error}")))?;
        let fixed = [(HOST.as_str(), authority), (USER_AGENT.as_str(), self.user_agent.as_str())];
        let own = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in fixed.into_iter().chain(own) {
            let refused = || Failure::never(format!("the header {name:?} cannot be sent"));
            let value = HeaderValue::from_str(value).map_err(|_| refused())?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}

/// Sends a request over a connection. What of the answer's body does not come in time is not waited for: the head has
/// said already what became of the message.
async fn talk<S>(stream: S, request: Request<Full<Bytes>>, deadline: Instant) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |error: hyper::Error| Failure::later(format!("the exchange broke: {}", with_causes(&error)));
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with this set, whatever it is doing then.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let (head, mut body) = sender.send_request(request).await.map_err(broken)?.into_parts();
    let mut read = Vec::new();
    // A little before the end of the whole exchange, so that this wait ends first.
    let until = deadline.checked_sub(Duration::from_millis(50)).unwrap_or(deadline);
    while read.len() < ANSWER_BYTES_MAX {
        let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await else { break };
        if let Ok(data) = frame.into_data() {
            let room = ANSWER_BYTES_MAX.saturating_sub(read.len());
            read.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(Answer { status: head.status, headers: head.headers, body: read })
}

/// An error with what caused it.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
