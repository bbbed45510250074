//! An HTTP server that a stranger cannot hold up.
//!
//! `axum::serve` waits for ever for a slow client. This loop bounds everything that a client can
//! make us wait for or remember, and leaves the rest to `hyper`.

use core::pin::pin;
use core::time::Duration;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections served at once. Others wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 64;
/// How long a connection may take for the head of a request, idleness before it included.
pub const HEAD_READ_MAX: Duration = Duration::from_secs(5);
/// After so long a connection is closed behind its current answer; a browser opens a new one.
pub const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(60);
/// How long the current answer may take then.
pub const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long connections may take to finish when the server stops.
pub const SHUT_DOWN_MAX: Duration = Duration::from_secs(2);
/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 8_192;
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// How long to leave a listener alone that has just failed, as it does out of file descriptors.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(100);

/// Serves `router` until the sender of `stopped` is dropped.
pub(super) async fn serve(listener: TcpListener, router: Router, stopped: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut stop = pin!(until_dropped(stopped.clone()));
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.expect("never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = serve_one(stream, router.clone(), stopped.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "admin pages could not accept");
                sleep(ACCEPT_RETRY_AFTER).await;
            }
        }
    }
    drop(listener);
    // What is not done by then is aborted when the set is dropped.
    let _ =
        timeout(SHUT_DOWN_MAX, async { while connections.join_next().await.is_some() {} }).await;
}

async fn serve_one(stream: TcpStream, router: Router, stopped: watch::Receiver<()>) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = until_dropped(stopped) => None,
        () = sleep(CONNECTION_LIFE_MAX) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(ANSWER_MAX, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "admin connection ended");
    }
}

async fn until_dropped(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}
