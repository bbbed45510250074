//! What operators see over HTTP, on an address of its own.
//!
//! | path         | answer                                                              |
//! |--------------|---------------------------------------------------------------------|
//! | `/`          | a live page with the world map; needs nothing from elsewhere        |
//! | `/api/world` | what every slice has published, as JSON                             |
//! | `/healthz`   | 200: the process answers                                            |
//! | `/metrics`   | OpenMetrics text; labels have few values                            |
//! | `/readyz`    | 200 when players may come, 503 while starting or draining           |
//! | `/version`   | which program this is, as JSON                                      |
//!
//! # Invariants
//!
//! - Nothing here changes anything: every path is read only.
//! - A hostile client costs one of [`CONNECTIONS_MAX`] places for at most
//!   [`CONNECTION_LIFE_MAX`], and no answer is computed more often than its cache lives.
//! - The page loads from this server alone, and its policy header makes the browser hold it to
//!   that.
//!
//! Deliberately absent: passwords (keep the address private), and knowledge of any slice but
//! through [`Status`].
//!
//! [`CONNECTIONS_MAX`]: http::CONNECTIONS_MAX
//! [`CONNECTION_LIFE_MAX`]: http::CONNECTION_LIFE_MAX

pub mod http;
mod metrics;
mod routes;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::telemetry::Status;

/// The address cannot be listened on.
#[derive(Debug, Error)]
#[error("admin pages cannot listen on {address}: {error}")]
pub struct AdminError {
    /// As given.
    pub address: SocketAddr,
    /// What the system says.
    #[source]
    pub error: io::Error,
}

/// The running admin pages. Dropping it stops them too, without waiting.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Admin {
    /// Listens on `address` (port 0: any) and answers from `status` until told to stop.
    pub async fn start(address: SocketAddr, status: Arc<Status>) -> Result<Self, AdminError> {
        let wrap = |error| AdminError { address, error };
        let listener = TcpListener::bind(address).await.map_err(wrap)?;
        let address = listener.local_addr().map_err(wrap)?;
        let (stop, stopped) = watch::channel(());
        let router = routes::router(status);
        let task = tokio::spawn(http::serve(listener, router, stopped));
        tracing::info!(%address, "admin pages are up");
        Ok(Self { address, stop, task })
    }

    /// Where the pages are.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connection, lets answers under way finish, and returns within
    /// [`http::SHUT_DOWN_MAX`].
    pub async fn shut_down(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "admin pages ended badly");
        }
    }
}

#[cfg(test)]
mod tests;
