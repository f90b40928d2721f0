//! HTTP: one request for each connection, JSON in and out.

use super::result::NoMessage;
use super::{Inbox, Taken, metrics, page};
use crate::health::Health;
use crate::keepalive::SENSU_VERSION;
use crate::log::Log;
use crate::settings::Current;
use crate::settings::client::{HttpSocket, Login};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use venus_event::redact;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(2);
/// How long the broker may take to say what waits there.
const DEPTHS: Duration = Duration::from_secs(5);

/// Every path: its one method, and what it is for.
const ENDPOINTS: [(&str, Method, &str); 9] = [
    (
        "/info",
        Method::GET,
        "Version and connection of this client, and what waits",
    ),
    (
        "/metrics",
        Method::GET,
        "Figures of this client, as Prometheus reads them",
    ),
    (
        "/results",
        Method::POST,
        "Takes a check result, or an array of them",
    ),
    (
        "/settings",
        Method::GET,
        "Settings, redacted unless ?redacted=false; needs basic auth",
    ),
    ("/brew", Method::GET, "Coffee"),
    ("/", Method::GET, "This node, for people"),
    ("/api/node", Method::GET, "The same for programs"),
    (
        "/events",
        Method::GET,
        "What changes of it, as server-sent events",
    ),
    ("/page.js", Method::GET, "What keeps it up to date"),
];

/// The last of them, which are the page's: the settings may leave them out.
const PAGE: usize = 4;

/// What answers requests.
pub struct Api {
    /// Where results go.
    pub inbox: Rc<Inbox>,
    /// What `/settings` shows.
    pub settings: Rc<Current>,
    /// What `/info` and `/metrics` tell of the connection.
    pub health: Rc<Health>,
    /// Who may ask, and for how much.
    pub http: HttpSocket,
    /// What breaks off is said there.
    pub log: Log,
    /// One more than browsers that follow the page.
    pub followers: Rc<()>,
}

type Answer = Response<Either<Full<Bytes>, Channel<Bytes, Infallible>>>;

/// Answers the request of a connection.
pub async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, api: &Rc<Api>) {
    let service = service_fn(async |request| Ok::<_, Infallible>(api.respond(request).await));
    let served = http1::Builder::new()
        .keep_alive(false)
        // Who says that he has sent all is answered: `nc -N` and its like.
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        let data = json!({ "error": error.to_string() });
        api.log.debug("an HTTP request broke off", data);
    }
}

impl Api {
    /// The endpoints that the settings want.
    fn endpoints(&self) -> &'static [(&'static str, Method, &'static str)] {
        if self.settings.get().venus.page {
            return &ENDPOINTS;
        }
        let (without, _) = ENDPOINTS.split_at(ENDPOINTS.len() - PAGE);
        without
    }

    async fn respond(self: &Rc<Self>, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if self.http.protect_all_endpoints && !self.knows(request.headers()) {
            return self.unauthorized(path);
        }
        let found = self.endpoints().iter().find(|(known, ..)| *known == path);
        let Some((_, method, _)) = found else {
            let data = json!({ "path": path });
            self.inbox.warn("an HTTP request for an unknown path", data);
            return json_answer(StatusCode::NOT_FOUND, &described(self.endpoints()));
        };
        if request.method() != method {
            let valid = format!("Valid methods for this endpoint: [\"{method}\"]");
            return say(StatusCode::METHOD_NOT_ALLOWED, &valid);
        }
        match path {
            "/" => text("text/html; charset=utf-8", page::page(self)),
            "/page.js" => text("text/javascript; charset=utf-8", page::SCRIPT),
            "/api/node" => json_answer(StatusCode::OK, &page::node(self)),
            "/events" => self.events(),
            "/info" => self.info().await,
            "/metrics" => self.metrics(),
            "/results" => self.results(request).await,
            "/settings" => self.settings(&request),
            _ => say(StatusCode::IM_A_TEAPOT, "I'm a teapot!"),
        }
    }

    async fn info(&self) -> Answer {
        let depths = timeout(DEPTHS, self.health.depths()).await;
        let depths = depths.unwrap_or_default();
        let shown = |depth| match depth {
            Some(depth) => json!(depth),
            None => json!({ "messages": null, "consumers": null }),
        };
        let outbox = self.inbox.runner.outbox();
        let info = json!({
            "sensu": { "version": SENSU_VERSION },
            "transport": {
                "name": self.settings.get().transport.name(),
                "connected": self.health.is_connected(),
                "keepalives": shown(depths.keepalives),
                "results": shown(depths.results),
            },
            "venus": {
                "version": env!("CARGO_PKG_VERSION"),
                "results": outbox.counters(),
                "waiting": { "memory": outbox.len(), "spool": outbox.on_disk() },
            },
        });
        json_answer(StatusCode::OK, &info)
    }

    fn metrics(&self) -> Answer {
        let runner = &self.inbox.runner;
        let board = runner.board();
        let own = metrics::text(runner.outbox(), &self.health, board);
        let settings = self.settings.get();
        let host = settings.venus.scheme.as_deref();
        let host = host.unwrap_or(&settings.client.name);
        let measured = board.families(host).to_text();
        text("text/plain; version=0.0.4", own + &measured)
    }

    fn events(self: &Rc<Self>) -> Answer {
        let Some(events) = page::follow(self) else {
            let response = "Too many browsers follow this page";
            return say(StatusCode::SERVICE_UNAVAILABLE, response);
        };
        let mut answer = text("text/event-stream", "");
        *answer.body_mut() = Either::Right(events);
        answer
    }

    async fn results(&self, request: Request<Incoming>) -> Answer {
        if !is_json(request.headers()) {
            return say(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Invalid content type");
        }
        let max_size = self.http.socket.max_size;
        let body = Limited::new(request.into_body(), max_size).collect().await;
        let refused = match body {
            Ok(body) => match self.inbox.take(&body.to_bytes()).await {
                Ok(Taken::Invalid) => None,
                Ok(Taken::NoRoom) => {
                    return say(StatusCode::SERVICE_UNAVAILABLE, &Taken::NoRoom.answer());
                }
                Ok(taken) => return say(StatusCode::ACCEPTED, &taken.answer()),
                Err(NoMessage::Unfinished) => Some("the body breaks off".to_owned()),
                Err(NoMessage::Invalid(why)) => Some(why),
            },
            Err(error) if error.is::<LengthLimitError>() => {
                self.inbox.refuse("the body is too large");
                let limit = format!("The body may have {max_size} bytes");
                return say(StatusCode::PAYLOAD_TOO_LARGE, &limit);
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = refused {
            self.inbox.refuse(&why);
        }
        say(StatusCode::BAD_REQUEST, "Failed to parse JSON body")
    }

    fn settings(&self, request: &Request<Incoming>) -> Answer {
        if !self.knows(request.headers()) {
            return self.unauthorized("/settings");
        }
        self.log.info("settings shown over HTTP", Value::Null);
        let settings = self.settings.get();
        let query = request.uri().query().unwrap_or_default();
        let shown = if query.to_ascii_lowercase().contains("redacted=false") {
            settings.merged.clone()
        } else {
            redact::shown(&settings.merged, &settings.client.redact)
        };
        json_answer(StatusCode::OK, &Value::Object(shown))
    }

    /// Whether the request brings the user and the password of the settings.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(Login { user, password }) = &self.http.login else {
            return false;
        };
        let sent = headers
            .get(AUTHORIZATION)
            .map_or(&[][..], |value| value.as_bytes());
        let Some((scheme, sent)) = sent.split_at_checked("Basic ".len()) else {
            return false;
        };
        let expected = BASE64_STANDARD.encode(format!("{user}:{password}"));
        scheme.eq_ignore_ascii_case(b"Basic ") && sent.ct_eq(expected.as_bytes()).into()
    }

    fn unauthorized(&self, path: &str) -> Answer {
        let data = json!({ "path": path });
        self.inbox
            .warn("an HTTP request without valid basic auth", data);
        let advice = "Basic auth with user and password of client.http_socket is needed";
        let mut answer = say(StatusCode::UNAUTHORIZED, advice);
        let challenge = HeaderValue::from_static("Basic realm=\"venus-agent\"");
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        answer
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    // What comes behind a `;` is its character set.
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

fn described(endpoints: &[(&str, Method, &str)]) -> Value {
    let entries = endpoints.iter().map(|(path, method, help)| {
        let entry = json!({ "help": help, "methods": [method.as_str()] });
        ((*path).to_owned(), entry)
    });
    let entries: serde_json::Map<_, _> = entries.collect();
    json!({ "endpoints": entries })
}

/// A text of this type, which nobody takes for another, keeps, or shows inside another page.
fn text(form: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body.into())));
    for (name, value) in [
        (CONTENT_TYPE, form),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, page::POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn say(status: StatusCode, response: &str) -> Answer {
    json_answer(status, &json!({ "response": response }))
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string()));
    let mut answer = Response::new(Either::Left(body));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{ChildEnvironment, Runner};
    use crate::log::{Format, Level};
    use crate::settings::Settings;
    use std::collections::HashMap;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn api() -> Rc<Api> {
        let client = json!({"client": {
            "name": "c", "address": "127.0.0.1", "subscriptions": [], "http_socket": {},
        }});
        let settings = Settings::compile(client.as_object().unwrap().clone(), Vec::new()).unwrap();
        let http = settings.client.http_socket.clone();
        let settings = Rc::new(Current::new(settings));
        let log = Log::stderr(Level::Fatal, Format::Json);
        let environment = ChildEnvironment::of(&HashMap::new());
        let runner = Runner::new(
            Rc::clone(&settings),
            log.clone(),
            Rc::default(),
            Rc::default(),
            environment,
        );
        Rc::new(Api {
            inbox: Rc::new(Inbox::new(Rc::new(runner), log.clone(), 1)),
            settings,
            health: Rc::default(),
            http,
            log,
            followers: Rc::default(),
        })
    }

    #[tokio::test]
    async fn g_who_has_ended_his_side_is_answered() {
        let (mut client, server) = duplex(1000);
        let request = "POST /results HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";
        client.write_all(request.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        answer(server, &api()).await;
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 415 "), "{said}");
    }
}
