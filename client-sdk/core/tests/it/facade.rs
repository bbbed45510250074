//! The async facade on real sockets.

use std::time::Duration;

use client_sdk::runtime::CallError;
use client_sdk::{AsyncClient, ClientConfig, ClientEvent, SessionState};
use netcode::sim::LinkConfig;

use crate::support::CHARACTER;
use crate::support::game::{LineGame, STEPS, Walk};
use crate::support::loopback::Servers;

/// Runs `test` with a client of running servers; 20 s are more than enough for any.
fn with_client<F: Future<Output = ()>>(test: impl FnOnce(AsyncClient<LineGame>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let servers = Servers::start(50 * STEPS).await.unwrap();
        let gateway = servers.gateway();
        let config = ClientConfig::builder(gateway.address, gateway.certificate.clone());
        let client = AsyncClient::new(LineGame, &config.build().unwrap()).unwrap();
        let test = tokio::time::timeout(Duration::from_secs(20), test(client));
        tokio::select! {
            failed = servers.run() => panic!("servers: {failed:?}"),
            done = test => done.expect("in time"),
        }
    });
}

/// Drives the client until it has made so many inputs.
async fn play(client: &mut AsyncClient<LineGame>, inputs: u64) {
    while client.stats().inputs < inputs {
        let moment = client.now() + Duration::from_millis(50);
        client.next_event_until(moment).await.unwrap();
    }
}

#[test]
fn a_bot_logs_in_plays_and_leaves() {
    with_client(|mut client| async move {
        assert_eq!(client.register("me", "correct horse").await.unwrap(), 1);
        assert!(matches!(client.login("me", "guess").await, Err(CallError::Request(_))));
        assert_eq!(client.login("me", "correct horse").await.unwrap().character_id, CHARACTER);
        assert_eq!(client.enqueue("duel").await.unwrap(), 9);
        client.set_brain(|_: &mut client_sdk::Client<LineGame>, _| Walk(2));
        client.enter_world().await.unwrap();
        assert_eq!(client.state(), SessionState::Playing);
        // What came while answers were awaited is not lost.
        let kept = client.next_event().await.unwrap();
        assert_eq!(kept, ClientEvent::GatewayConnected);
        play(&mut client, 40).await;
        assert!(client.character().unwrap().x > 50 * STEPS);
        assert!(client.stats().reconciled > 0);
        client.leave().await.unwrap();
        assert_eq!(client.state(), SessionState::Ready);
        client.shut_down().await;
    });
}

#[test]
fn weather_is_between_the_client_and_everybody() {
    with_client(|client| async move {
        let link = LinkConfig { delay: Duration::from_millis(40), ..LinkConfig::CALM };
        let mut client = client.with_link_conditions(link, link, 1);
        client.set_brain(|_: &mut client_sdk::Client<LineGame>, _| Walk(2));
        let before = client.now();
        client.login("me", "correct horse").await.unwrap();
        assert!(client.now() - before > Duration::from_millis(160), "two round trips");
        client.enter_world().await.unwrap();
        play(&mut client, 20).await;
        let stats = client.stats();
        assert!(stats.zone_rtt > Duration::from_millis(80), "{stats:#?}");
        assert!(stats.lead_ms > 40.0, "{stats:#?}");
    });
}

#[test]
fn driving_may_be_dropped_at_any_time() {
    with_client(|mut client| async move {
        client.set_brain(|_: &mut client_sdk::Client<LineGame>, _| Walk(2));
        client.login("me", "correct horse").await.unwrap();
        let now = client.now();
        let request = client.core_mut().enter_world(now);
        // A bot that has other things to do, a hundred times a second.
        let mut has_joined = false;
        while client.stats().inputs < 40 {
            tokio::select! {
                event = client.next_event() => {
                    has_joined |= event.unwrap().request() == Some(request);
                }
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        assert!(has_joined);
        assert!(client.stats().reconciled > 0);
    });
}
