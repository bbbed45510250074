//! Who the server is, and how its QUIC behaves.

use core::time::Duration;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use shardline_protocol::frame::{ALPN, FRAME_BYTES_MAX};

use crate::gateway::config::{CertificateAndKey, GatewayConfig};
use crate::gateway::service::StartError;

/// Handshakes that may wait to be looked at. More are refused by the stack.
const INCOMING_MAX: usize = 1_024;
/// Bytes to one client that may be on the way.
const SEND_WINDOW: u64 = 256 * 1024;

/// A certificate of our own making, for the loopback and for `config`'s address. Clients pin it.
pub(super) fn self_signed(config: &GatewayConfig) -> Result<CertificateAndKey, StartError> {
    let names = vec!["localhost".to_owned(), config.address.ip().to_string()];
    let own = rcgen::generate_simple_self_signed(names)
        .map_err(|error| StartError::Certificate(error.to_string()))?;
    Ok(CertificateAndKey {
        chain_der: vec![own.cert.der().to_vec()],
        key_der: own.signing_key.serialize_der(),
    })
}

pub(super) fn server_config(
    config: &GatewayConfig,
    identity: CertificateAndKey,
) -> Result<ServerConfig, StartError> {
    let certificate = |error: String| StartError::Certificate(error);
    let chain = identity.chain_der.into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key_der));
    // Named, not the process's default, which somebody else may have set.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| certificate(error.to_string()))?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let tls = QuicServerConfig::try_from(tls).map_err(|error| certificate(error.to_string()))?;

    let mut quic = ServerConfig::with_crypto(Arc::new(tls));
    quic.transport_config(Arc::new(transport(config.idle_timeout, config.keep_alive)));
    quic.max_incoming(INCOMING_MAX);
    Ok(quic)
}

/// One stream, opened by the client, and nothing else; windows of little more than a frame.
fn transport(idle_timeout: Duration, keep_alive: Duration) -> TransportConfig {
    let window = VarInt::from_u32(2 * FRAME_BYTES_MAX as u32);
    let idle = u32::try_from(idle_timeout.as_millis()).unwrap_or(u32::MAX);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(window)
        .receive_window(window)
        .send_window(SEND_WINDOW)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        .keep_alive_interval(Some(keep_alive));
    transport
}
