//! Links between all hosts that talk, and partitions.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use crate::entropy::Entropy;
use crate::sim::link::{Link, LinkConfig, LinkStats};
use crate::time::Instant;

/// From whom, to whom.
type Direction = (SocketAddr, SocketAddr);

/// What became of the datagrams of a network.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct NetworkStats {
    /// The sum over all links.
    pub links: LinkStats,
    /// Sent into a partition.
    pub blocked: u64,
}

/// Hosts and the links between them, in virtual time.
///
/// A host is an address; nobody registers. The link from one address to another comes into being
/// with the first datagram, with the weather of the day and luck of its own.
///
/// ```
/// use netcode::sim::{LinkConfig, Network};
/// use netcode::time::Instant;
///
/// let (a, b) = ("10.0.0.1:1".parse()?, "10.0.0.2:2".parse()?);
/// let mut network = Network::new(LinkConfig::CALM, 1);
/// network.block(a, b);
/// network.send(Instant::EPOCH, a, b, b"lost".to_vec());
/// network.heal();
/// network.send(Instant::EPOCH, a, b, b"hello".to_vec());
///
/// let at = network.poll_timeout().unwrap();
/// assert_eq!(network.poll_arrival(at), Some((a, b, b"hello".to_vec())));
/// assert_eq!(network.poll_arrival(at), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    config: LinkConfig,
    entropy: Entropy,
    links: BTreeMap<Direction, Link>,
    /// The first arrival of every link that has one.
    arrivals: BTreeSet<(Instant, Direction)>,
    blocked: BTreeSet<Direction>,
    blocked_count: u64,
}

impl Network {
    /// An idle network; new links have `config`, and `seed` determines the luck of all.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            entropy: Entropy::from_simulation_seed(seed),
            links: BTreeMap::new(),
            arrivals: BTreeSet::new(),
            blocked: BTreeSet::new(),
            blocked_count: 0,
        }
    }

    /// Changes the weather of every link, present and future.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
        self.links.values_mut().for_each(|link| link.set_config(config));
    }

    /// Changes the weather of one direction.
    pub fn set_link_config(&mut self, from: SocketAddr, to: SocketAddr, config: LinkConfig) {
        self.link((from, to)).set_config(config);
    }

    /// Cuts both directions between two hosts. What is under way still arrives.
    pub fn block(&mut self, one: SocketAddr, other: SocketAddr) {
        self.block_one_way(one, other);
        self.block_one_way(other, one);
    }

    /// Cuts one direction: the worse partition, since one side still hears the other.
    pub fn block_one_way(&mut self, from: SocketAddr, to: SocketAddr) {
        self.blocked.insert((from, to));
    }

    /// Ends all partitions. The weather stays.
    pub fn heal(&mut self) {
        self.blocked.clear();
    }

    /// Puts a datagram on its way.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        let direction = (from, to);
        if self.blocked.contains(&direction) {
            self.blocked_count += 1;
            return;
        }
        let link = self.link(direction);
        let before = link.poll_timeout();
        link.send(now, datagram.len(), datagram);
        let after = link.poll_timeout();
        self.note_arrival(direction, before, after);
    }

    /// The next datagram that has arrived by `now`, the earliest first: from, to, contents.
    pub fn poll_arrival(&mut self, now: Instant) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let &(at, direction) = self.arrivals.first()?;
        let link = self.links.get_mut(&direction)?;
        let datagram = link.poll_arrival(now)?;
        let after = link.poll_timeout();
        self.note_arrival(direction, Some(at), after);
        Some((direction.0, direction.1, datagram))
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.arrivals.first().map(|(at, _)| *at)
    }

    /// Datagrams under way.
    pub fn in_flight(&self) -> usize {
        self.links.values().map(Link::in_flight).sum()
    }

    /// What became of the datagrams so far.
    pub fn stats(&self) -> NetworkStats {
        let mut stats = NetworkStats { blocked: self.blocked_count, ..NetworkStats::default() };
        for link in self.links.values().map(Link::stats) {
            stats.links.sent += link.sent;
            stats.links.lost += link.lost;
            stats.links.overflowed += link.overflowed;
            stats.links.duplicated += link.duplicated;
            stats.links.arrived += link.arrived;
        }
        stats
    }

    fn link(&mut self, direction: Direction) -> &mut Link {
        let (config, entropy) = (self.config, &mut self.entropy);
        self.links.entry(direction).or_insert_with(|| Link::new(config, entropy.next_u64()))
    }

    fn note_arrival(&mut self, of: Direction, before: Option<Instant>, after: Option<Instant>) {
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.arrivals.remove(&(at, of));
        }
        if let Some(at) = after {
            self.arrivals.insert((at, of));
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Instant, LinkConfig, Network, SocketAddr};

    fn host(number: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], number))
    }

    type Arrival = (Instant, SocketAddr, SocketAddr, Vec<u8>);

    /// Every host says a numbered word to every other, each millisecond; all arrivals.
    fn run(seed: u64) -> (Network, Vec<Arrival>) {
        let mut network = Network::new(LinkConfig::STORM, seed);
        let mut arrivals = Vec::new();
        for millis in 0..100_u16 {
            let now = Instant::from_millis(millis.into());
            for (from, to) in [(1, 2), (2, 1), (1, 3), (3, 2)] {
                network.send(now, host(from), host(to), millis.to_le_bytes().to_vec());
            }
        }
        while let Some(at) = network.poll_timeout() {
            let (from, to, datagram) = network.poll_arrival(at).expect("it said so");
            arrivals.push((at, from, to, datagram));
        }
        (network, arrivals)
    }

    #[test]
    fn arrivals_of_all_links_come_in_order_of_time() {
        let (network, arrivals) = run(1);
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.0));
        let stats = network.stats();
        assert_eq!(stats.links.sent, 400);
        assert_eq!(stats.links.arrived, arrivals.len() as u64);
        assert_eq!(network.in_flight(), 0);
        assert_eq!(arrivals, run(1).1);
        assert_ne!(arrivals, run(2).1);
    }

    #[test]
    fn a_partition_is_between_two_and_may_be_one_way() {
        let mut network = Network::new(LinkConfig::CALM, 1);
        network.block(host(1), host(2));
        network.block_one_way(host(3), host(1));
        for (from, to) in [(1, 2), (2, 1), (1, 3), (3, 1), (2, 3)] {
            network.send(Instant::EPOCH, host(from), host(to), Vec::new());
        }
        let mut through = Vec::new();
        while let Some((from, to, _)) = network.poll_arrival(Instant::from_millis(50)) {
            through.push((from.port(), to.port()));
        }
        assert_eq!(through, [(1, 3), (2, 3)]);
        assert_eq!(network.stats().blocked, 3);
    }

    #[test]
    fn the_weather_of_one_link_can_differ() {
        let mut network = Network::new(LinkConfig::CALM, 1);
        let slow = LinkConfig { delay: Duration::from_millis(100), ..LinkConfig::CALM };
        network.set_link_config(host(1), host(2), slow);
        network.send(Instant::EPOCH, host(1), host(2), vec![12]);
        network.send(Instant::EPOCH, host(2), host(1), vec![21]);
        assert_eq!(network.poll_timeout(), Some(Instant::from_millis(10)));
        let late = Instant::from_millis(100);
        assert_eq!(network.poll_arrival(late), Some((host(2), host(1), vec![21])));
        assert_eq!(network.poll_arrival(late), Some((host(1), host(2), vec![12])));
        network.set_config(LinkConfig::CALM);
        network.send(late, host(1), host(2), vec![12]);
        assert_eq!(network.poll_timeout(), Some(Instant::from_millis(110)));
    }
}
