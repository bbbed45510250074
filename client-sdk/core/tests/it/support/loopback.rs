//! The same gateway and zones on real sockets of this machine, in real time.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use netcode::crypto::PublicKey;
use netcode::driver::Clock;
use netcode::predict::InputQueue;
use netcode::tick::Tick;
use netcode::time::Instant;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::game::Game;
use tokio::net::UdpSocket;

use super::CHARACTER;
use super::game::{LineGame, Walker};
use super::gateway::{Gateway, Wish};
use super::zone::{Owned, Zone};

/// A gateway and one zone.
pub(crate) struct Servers {
    clock: Clock,
    gateway: Gateway,
    gateway_socket: UdpSocket,
    zone: Zone,
    zone_socket: UdpSocket,
    next_tick: Tick,
}

impl Servers {
    pub(crate) async fn start(x: i32) -> io::Result<Self> {
        let clock = Clock::start();
        let gateway_socket = UdpSocket::bind("127.0.0.1:0").await?;
        let zone_socket = UdpSocket::bind("127.0.0.1:0").await?;
        let mut zone = Zone::new(0, zone_socket.local_addr()?, 1);
        let owned = Owned {
            epoch: 1,
            override_epoch: 0,
            character: Walker { x, health: 100 },
            queue: InputQueue::new(Tick::ZERO),
        };
        zone.owned = BTreeMap::from([(CHARACTER, owned)]);
        let gateway = Gateway::new(gateway_socket.local_addr()?);
        Ok(Self { clock, gateway, gateway_socket, zone, zone_socket, next_tick: Tick::ZERO })
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Serves until it is dropped.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        let rate = LineGame.tick_rate();
        let mut buffer = [0; 2048];
        loop {
            let now = self.clock.now();
            let timers = [
                Some(rate.starts_at(self.next_tick, Instant::EPOCH)),
                self.gateway.poll_timeout(),
                self.zone.endpoint.poll_timeout(),
                Some(now + Duration::from_millis(50)),
            ];
            let wake_at = timers.into_iter().flatten().min().unwrap();
            tokio::select! {
                ready = self.gateway_socket.readable() => ready?,
                ready = self.zone_socket.readable() => ready?,
                () = tokio::time::sleep_until(self.clock.std_instant(wake_at).into()) => {}
            }
            let now = self.clock.now();
            while let Some((from, datagram)) = receive(&self.gateway_socket, &mut buffer)? {
                self.gateway.handle_datagram(now, from, datagram);
            }
            while let Some((from, datagram)) = receive(&self.zone_socket, &mut buffer)? {
                let _ = self.zone.endpoint.handle_datagram(now, from, datagram);
            }
            self.gateway.handle_timeout(now);
            self.zone.endpoint.handle_timeout(now);
            self.zone.drain(now);
            while now >= rate.starts_at(self.next_tick, Instant::EPOCH) {
                self.step();
            }
            self.open_doors(now);
            self.flush(now).await?;
        }
    }

    fn step(&mut self) {
        for owned in self.zone.owned.values_mut() {
            let consumed = owned.queue.consume();
            LineGame.step(&mut owned.character, &consumed.input, consumed.tick);
        }
        self.zone.publish(self.next_tick);
        self.next_tick = self.next_tick.next();
    }

    fn open_doors(&mut self, now: Instant) {
        for wish in std::mem::take(&mut self.gateway.wishes) {
            let Wish::Enter { player, request, public_key } = wish;
            let access = self.zone.access(now, CHARACTER, PublicKey(public_key));
            self.gateway.say(player, request, Body::ZoneAccess(access));
        }
    }

    async fn flush(&mut self, now: Instant) -> io::Result<()> {
        let mut buffer = Vec::new();
        while let Some((to, datagram)) = self.gateway.poll_transmit(now) {
            self.gateway_socket.send_to(&datagram, to).await?;
        }
        while let Some(transmit) = self.zone.endpoint.poll_transmit(now, &mut buffer) {
            self.zone_socket.send_to(&buffer, transmit.to).await?;
        }
        Ok(())
    }
}

fn receive<'a>(
    socket: &UdpSocket,
    buffer: &'a mut [u8],
) -> io::Result<Option<(SocketAddr, &'a mut [u8])>> {
    match socket.try_recv_from(buffer) {
        Ok((len, from)) => Ok(Some((from, &mut buffer[..len]))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
