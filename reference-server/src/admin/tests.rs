//! The pages over real sockets on loopback, asked by hand-written requests.

use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Admin;
use super::http::{CONNECTIONS_MAX, HEAD_READ_MAX};
use crate::ids::ZoneId;
use crate::telemetry::{Distribution, Dot, DotKind, Status, ZoneStatus};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn start() -> (Admin, Arc<Status>) {
    let status = Status::new(2, 2, 192.0);
    (Admin::start(ANY_PORT, status.clone()).await.unwrap(), status)
}

/// Sends `bytes` and gives back all that comes until the server closes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have had enough before we are through.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(admin: &Admin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    exchange(admin.address(), request.as_bytes()).await
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn the_world_is_what_zones_published() {
    let (admin, status) = start().await;
    status.counters().handoffs_committed.add(7);
    status.publish_zone(ZoneStatus {
        zone: ZoneId(2),
        players: 57,
        drops: [("malformed", 3)].into(),
        dots: vec![Dot { x: 1.5, y: 200.0, kind: DotKind::Player }],
        ..ZoneStatus::default()
    });
    let answer = get(&admin, "/api/world").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let world: Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(world["rows"], 2);
    assert_eq!(world["zones"][0]["zone"], 2);
    assert_eq!(world["zones"][0]["players"], 57);
    assert_eq!(world["zones"][0]["drops"]["malformed"], 3);
    assert_eq!(world["zones"][0]["dots"][0]["kind"], "player");
    assert_eq!(world["totals"]["handoffs_committed"], 7);
    admin.shut_down().await;
}

#[tokio::test]
async fn readiness_follows_the_life_of_the_process() {
    let (admin, status) = start().await;
    assert!(get(&admin, "/healthz").await.starts_with("HTTP/1.1 200"));
    let starting = get(&admin, "/readyz").await;
    assert!(starting.starts_with("HTTP/1.1 503") && body(&starting) == "starting\n");
    status.set_ready(true);
    assert!(get(&admin, "/readyz").await.starts_with("HTTP/1.1 200"));
    status.set_draining(true);
    let draining = get(&admin, "/readyz").await;
    assert!(draining.starts_with("HTTP/1.1 503") && body(&draining) == "draining\n");
    assert!(get(&admin, "/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn metrics_name_zones_reasons_and_totals() {
    let (admin, status) = start().await;
    status.counters().matches.add(4);
    status.publish_zone(ZoneStatus {
        zone: ZoneId(1),
        players: 9,
        bytes_out: 1_000,
        tick_us: Distribution { p50: 500, p99: 1_500, max: 2_000 },
        drops: [("malformed", 3)].into(),
        ..ZoneStatus::default()
    });
    let answer = get(&admin, "/metrics").await;
    assert!(answer.contains("application/openmetrics-text"), "{answer}");
    for line in [
        "shardline_matches_total 4",
        "shardline_ready 0",
        "shardline_zone_datagrams_dropped_total{zone=\"1\",reason=\"malformed\"} 3",
        "shardline_zone_players{zone=\"1\"} 9",
        "shardline_zone_sent_bytes_total{zone=\"1\"} 1000",
        "shardline_zone_tick_duration_seconds{zone=\"1\",quantile=\"0.99\"} 0.0015",
        "# EOF",
    ] {
        assert!(body(&answer).lines().any(|found| found == line), "no {line} in {answer}");
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let (admin, _) = start().await;
    for path in ["/", "/map.js", "/style.css"] {
        let answer = get(&admin, path).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(answer.contains("content-security-policy: default-src 'none'"), "{path}");
        for url in ["http:", "https:", "//cdn", "@import", "url("] {
            assert!(!body(&answer).contains(url), "{path} has {url}");
        }
    }
    let version: Value = serde_json::from_str(body(&get(&admin, "/version").await)).unwrap();
    assert_eq!(version["name"], "reference-server");
}

#[tokio::test]
async fn what_is_not_a_plain_question_is_refused() {
    let (admin, _) = start().await;
    assert!(get(&admin, "/nothing").await.starts_with("HTTP/1.1 404"));
    let post = "POST /readyz HTTP/1.1\r\nhost: t\r\ncontent-length: 9999999999\r\n\r\n";
    assert!(exchange(admin.address(), post.as_bytes()).await.starts_with("HTTP/1.1 405"));
    assert!(exchange(admin.address(), &[0xff; 300]).await.starts_with("HTTP/1.1 400"));
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let answer = exchange(admin.address(), long.as_bytes()).await;
    assert!(!answer.contains(" 200 "), "{answer}");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(500));
    let answer = exchange(admin.address(), many.as_bytes()).await;
    assert!(!answer.contains(" 200 "), "{answer}");
    assert!(get(&admin, "/healthz").await.starts_with("HTTP/1.1 200"));
}

/// Time is virtual: it jumps to the next timer whenever every task waits.
#[tokio::test(start_paused = true)]
async fn slow_clients_cannot_keep_others_out() {
    let (admin, _) = start().await;
    let mut slow = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(admin.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        slow.push(stream);
    }
    let before = tokio::time::Instant::now();
    assert!(get(&admin, "/healthz").await.starts_with("HTTP/1.1 200"));
    let waited = before.elapsed();
    assert!(waited >= HEAD_READ_MAX - Duration::from_secs(1), "no place was taken: {waited:?}");
    assert!(waited <= 2 * HEAD_READ_MAX, "{waited:?}");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let (admin, status) = start().await;
    let error = Admin::start(admin.address(), status).await.unwrap_err();
    assert!(error.to_string().contains(&admin.address().to_string()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn shutting_down_closes_idle_connections_and_the_port() {
    let (admin, _) = start().await;
    let address = admin.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: t\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    admin.shut_down().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
