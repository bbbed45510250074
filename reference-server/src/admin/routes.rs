//! What is answered on which path.

use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::time::Instant;

use crate::admin::metrics::Metrics;
use crate::telemetry::Status;
use crate::telemetry::WorldStatus;

/// How long a computed answer is given again. Four looks a second, and a little less.
const ANSWER_LIVES: Duration = Duration::from_millis(200);

/// The page may load and ask nothing but this server, whatever finds its way into it.
const PAGE_POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data:; \
    script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

struct Shared {
    status: Arc<Status>,
    started: Instant,
    metrics: Metrics,
    world: Cached,
    metrics_text: Cached,
}

/// All paths.
pub(super) fn router(status: Arc<Status>) -> Router {
    let shared = Arc::new(Shared {
        metrics: Metrics::new(status.clone()),
        status,
        started: Instant::now(),
        world: Cached::default(),
        metrics_text: Cached::default(),
    });
    let page = include_str!("page/index.html");
    let script = include_str!("page/map.js");
    let style = include_str!("page/style.css");
    Router::new()
        .route("/", get(move || async move { answer(HTML, page) }))
        .route("/map.js", get(move || async move { answer(JAVASCRIPT, script) }))
        .route("/style.css", get(move || async move { answer(CSS, style) }))
        .route("/api/world", get(world))
        .route("/healthz", get(|| async { answer(TEXT, "ok\n") }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .with_state(shared)
}

fn answer(content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ];
    (headers, body.into()).into_response()
}

/// What `/api/world` tells.
#[derive(Serialize)]
struct WorldAnswer {
    /// For rates: two answers' totals can be compared over the time between these.
    uptime_ms: u64,
    #[serde(flatten)]
    world: WorldStatus,
}

async fn world(State(shared): State<Arc<Shared>>) -> Response {
    let body = shared.world.get(|| {
        let uptime_ms = u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let answer = WorldAnswer { uptime_ms, world: shared.status.world() };
        // Only a map with keys that are no text could fail, and there is none.
        serde_json::to_vec(&answer).unwrap_or_default().into()
    });
    answer(JSON, body)
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    answer(OPENMETRICS, shared.metrics_text.get(|| shared.metrics.text().into()))
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let status = &shared.status;
    let (code, text) = match (status.is_draining(), status.is_ready()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        (false, true) => (StatusCode::OK, "ready\n"),
    };
    (code, answer(TEXT, text)).into_response()
}

async fn version() -> Response {
    let name = env!("CARGO_PKG_NAME");
    let version = env!("CARGO_PKG_VERSION");
    answer(JSON, serde_json::json!({ "name": name, "version": version }).to_string())
}

/// The last answer, so that many readers cost no more than one.
#[derive(Default)]
struct Cached(Mutex<Option<(Instant, Bytes)>>);

impl Cached {
    fn get(&self, compute: impl FnOnce() -> Bytes) -> Bytes {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, body)) if at.elapsed() < ANSWER_LIVES => body.clone(),
            _ => {
                let body = compute();
                *last = Some((Instant::now(), body.clone()));
                body
            }
        }
    }
}
