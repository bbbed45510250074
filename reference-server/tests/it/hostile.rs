//! Datagrams that nobody asked for, at every open port: they change nothing.
//!
//! A player of ours keeps every datagram that it sends, and sends each again: as it was, cut,
//! damaged, from its own address and from a stranger's. Beside it, strangers send garbage. The
//! demo's auditors, bots and ledger must find nothing wrong, and the player must go on playing.

use core::net::{Ipv4Addr, SocketAddr};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use client_sdk::config::ClientConfig;
use client_sdk::event::ClientEvent;
use client_sdk::{Client, SessionState};
use netcode::driver::{Clock, system_entropy};
use netcode::entropy::Entropy;
use netcode::time::Instant;
use reference_game::{Input, ReferenceGame};
use reference_server::app::{App, ZONE_EDGE};
use reference_server::demo::options::DemoOptions;
use reference_server::demo::run_with;
use reference_server::telemetry::Status;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;

const ATTACK: Duration = Duration::from_secs(8);
const PLAY_WITHIN: Duration = Duration::from_secs(5);

/// What there is to attack.
struct Targets {
    gateway: SocketAddr,
    zones: Vec<SocketAddr>,
    admin: SocketAddr,
    certificate: Vec<u8>,
    status: Arc<Status>,
}

impl Targets {
    fn of(app: &App) -> Self {
        Self {
            gateway: app.gateway_address(),
            zones: app.zone_addresses().to_vec(),
            admin: app.admin_address(),
            certificate: app.certificate_der().to_vec(),
            status: Arc::clone(app.status()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_truncated_and_replayed_datagrams_change_nothing() {
    let options = DemoOptions {
        bots: 12,
        zones: (1, 2),
        seconds: Some(16),
        seed: 7,
        rtt: 0.0,
        jitter: 0.0,
        loss: 0.0,
        report: None,
        headless: true,
    };
    let (tell, told) = oneshot::channel();
    let demo = run_with(&options, |app| drop(tell.send(Targets::of(app))));
    let (report, status) = tokio::join!(demo, attack(told));
    assert_eq!(report.unwrap().violations(), Vec::<String>::new());
    let mut dropped = std::collections::BTreeMap::new();
    for zone in status.world().zones {
        for (reason, count) in zone.drops {
            *dropped.entry(reason).or_insert(0) += count;
        }
    }
    for reason in ["replayed", "malformed", "unopened"] {
        assert!(dropped.get(reason).is_some_and(|&count| count > 0), "{reason}: {dropped:?}");
    }
}

/// Plays through the attack, and says where the drops are counted.
async fn attack(told: oneshot::Receiver<Targets>) -> Arc<Status> {
    let targets = told.await.unwrap();
    let mut victim = Victim::new(&targets).await;
    victim.get_in().await;
    let before = victim.client.stats(victim.clock.now());
    victim.play_under_attack(&targets).await;

    let after = victim.client.stats(victim.clock.now());
    assert!(victim.client.state().is_in_world(), "thrown out: {:?}", victim.client.state());
    assert_eq!(after.corrections, before.corrections, "inputs were taken twice");
    assert!(after.reconciled > before.reconciled, "it has not played");
    victim.leave().await;
    targets.status
}

/// A player whose datagrams are used against it.
struct Victim {
    client: Client<ReferenceGame>,
    clock: Clock,
    socket: UdpSocket,
    stranger: UdpSocket,
    entropy: Entropy,
    sent: Vec<(SocketAddr, Vec<u8>)>,
    buffer: Vec<u8>,
}

impl Victim {
    async fn new(targets: &Targets) -> Self {
        let clock = Clock::start();
        let game = ReferenceGame::new(2.0 * ZONE_EDGE, ZONE_EDGE).unwrap();
        let config = ClientConfig::builder(targets.gateway, targets.certificate.clone());
        let config = config.build().unwrap();
        let client = Client::new(game, &config, clock.now(), system_entropy()).unwrap();
        let any = || UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let (socket, stranger) = (any().await.unwrap(), any().await.unwrap());
        let entropy = Entropy::from_simulation_seed(3);
        Self { client, clock, socket, stranger, entropy, sent: vec![], buffer: vec![0; 2048] }
    }

    /// Registers, logs in, and enters the world.
    async fn get_in(&mut self) {
        let deadline = self.clock.now() + PLAY_WITHIN;
        self.client.register(self.clock.now(), "victim", "correct horse battery");
        while !self.client.state().is_in_world() {
            assert!(self.clock.now() < deadline, "not in: {:?}", self.client.state());
            self.turn(deadline).await;
            while let Some(event) = self.client.poll_event() {
                let now = self.clock.now();
                match event {
                    ClientEvent::Registered { .. } => {
                        self.client.login(now, "victim", "correct horse battery");
                    }
                    ClientEvent::LoggedIn { .. } => {
                        self.client.enter_world(now);
                    }
                    ClientEvent::RequestFailed { error, .. } => panic!("{error}"),
                    _ => {}
                }
            }
        }
    }

    async fn play_under_attack(&mut self, targets: &Targets) {
        let ends_at = self.clock.now() + ATTACK;
        while self.clock.now() < ends_at {
            self.turn(ends_at).await;
            while let Some(event) = self.client.poll_event() {
                let is_fatal =
                    matches!(event, ClientEvent::Disconnected(_) | ClientEvent::GatewayLost(_));
                assert!(!is_fatal, "{event:?}");
            }
            self.send_again().await;
            self.send_garbage(targets).await;
        }
    }

    /// Everything that was sent since the last time, again in every bad way.
    async fn send_again(&mut self) {
        for (to, datagram) in core::mem::take(&mut self.sent) {
            let cut = self.entropy.below(datagram.len() as u32) as usize;
            let mut damaged = datagram.clone();
            let bit = self.entropy.below(8 * datagram.len() as u32) as usize;
            damaged[bit / 8] ^= 1 << (bit % 8);
            for socket in [&self.socket, &self.stranger] {
                for bytes in [&datagram[..], &datagram[..cut], &damaged[..]] {
                    // A full socket buffer loses some of them: there are more.
                    let _ = socket.try_send_to(bytes, to);
                }
            }
        }
    }

    async fn send_garbage(&mut self, targets: &Targets) {
        for &to in targets.zones.iter().chain([&targets.gateway]) {
            let mut garbage = vec![0; 1 + self.entropy.below(1_400) as usize];
            self.entropy.fill(&mut garbage);
            let _ = self.stranger.try_send_to(&garbage, to);
        }
        if self.entropy.below(20) == 0
            && let Ok(mut stream) = std::net::TcpStream::connect(targets.admin)
        {
            let mut garbage = [0; 256];
            self.entropy.fill(&mut garbage);
            let _ = stream.write_all(&garbage);
        }
    }

    /// Drives the client until something has happened, but not beyond `until`.
    async fn turn(&mut self, until: Instant) {
        let now = self.clock.now();
        self.client.handle_timeout(now);
        while self.client.next_input_tick(now).is_some() {
            let walk = Some((now.as_nanos() / 500_000_000) as u8);
            let input = Input { walk, ..Input::default() };
            self.client.push_input(now, input).unwrap();
        }
        self.transmit(now);
        let next = [Some(until), self.client.poll_timeout(), self.client.next_input_at(now)];
        let next = next.into_iter().flatten().min().unwrap_or(until);
        let readable = tokio::time::timeout(next - now, self.socket.readable());
        if readable.await.is_err() {
            return;
        }
        while let Ok((bytes, from)) = self.socket.try_recv_from(&mut self.buffer) {
            let now = self.clock.now();
            self.client.handle_datagram(now, from, &mut self.buffer[..bytes]);
        }
        self.transmit(self.clock.now());
    }

    fn transmit(&mut self, now: Instant) {
        let mut datagram = Vec::new();
        while let Some(to) = self.client.poll_transmit(now, &mut datagram) {
            let _ = self.socket.try_send_to(&datagram, to);
            self.sent.push((to, datagram.clone()));
        }
    }

    async fn leave(mut self) {
        self.client.leave(self.clock.now());
        let deadline = self.clock.now() + PLAY_WITHIN;
        while self.client.state() == SessionState::Leaving && self.clock.now() < deadline {
            self.turn(deadline).await;
        }
        self.client.close(self.clock.now());
        self.transmit(self.clock.now());
    }
}
