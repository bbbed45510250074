//! Starting the parts, in the order in which they need each other.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use netcode::config::{ConfigError, EndpointConfig};
use netcode::crypto::SecretKey;
use netcode::driver::{BindError, Clock, Driver, Socket, system_entropy};
use netcode::endpoint::{Endpoint, ServerKeys};
use netcode::entropy::Entropy;
use netcode::tick::Tick;
use netcode::time::Instant;
use shardline_protocol::game::Game;
use shardline_protocol::play::channels;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::access::Door;
use crate::admin::{Admin, AdminError};
use crate::app::audit::Report;
use crate::app::directory::Directory;
use crate::app::links::{Mail, Mailbox, Post};
use crate::app::match_audit::MatchAuditor;
use crate::app::wiring::{ToMatchmaking, Waiting, Wires};
use crate::app::zone_host::{Happening, ZoneHost};
use crate::app::{App, Audit, Tasks};
use crate::bus::{Bus, Subject, SubscribeError};
use crate::gateway::admission::Rate;
use crate::gateway::config::{GatewayConfig, Limits, PasswordConfig};
use crate::gateway::service::{Gateway, GatewayHandle};
use crate::handoff::Handoff;
use crate::ids::{Incarnation, ZoneId};
use crate::matchmaking::matchmaker::Matchmaker;
use crate::matchmaking::queue::{QueueConfig, QueueConfigError};
use crate::matchmaking::service::spawn as spawn_matchmaker;
use crate::persistence::{Ledger, LedgerError, MoveError, OpenError};
use crate::settings::Settings;
use crate::telemetry::Status;
use crate::world::{self, Layout, LayoutError, Zone, ZoneConfig};

/// The side of a zone, in world units.
pub const ZONE_EDGE: f32 = 192.0;
/// Items that each zone is given when the world is made.
const ITEMS_A_ZONE: u32 = 12;
/// The world's first tick starts this long after the first zone: all have started by then.
const START_AFTER: Duration = Duration::from_millis(300);
/// Inputs that wait for the matchmaker, and outputs that wait for the wiring.
const QUEUE_MAX: usize = 1_024;
/// Reports that wait for the auditor: half a minute of a large world. One that finds no room is an
/// error of the run, because the auditor would see a gap.
const REPORTS_MAX: usize = 65_536;
/// Happenings that wait for the wiring. One that finds no room is an error of the run.
const HAPPENINGS_MAX: usize = 65_536;
/// The ledger's file in the data directory.
const LEDGER_FILE: &str = "ledger.sqlite";

/// Why the server did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// See there.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A zone's socket.
    #[error("zone {zone}: {error}")]
    Bind {
        /// Which zone.
        zone: ZoneId,
        /// What the system says.
        #[source]
        error: BindError,
    },
    /// See there.
    #[error("bus: {0}")]
    Bus(#[from] SubscribeError),
    /// The data directory.
    #[error("data directory {path}: {error}; choose another with data.directory")]
    Data {
        /// As given.
        path: String,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// See there.
    #[error("gateway: {0}")]
    Gateway(#[from] crate::gateway::service::StartError),
    /// See there.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// See there.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// See there.
    #[error("ledger: {0}")]
    Mint(#[from] MoveError),
    /// See there.
    #[error("ledger: {0}")]
    Open(#[from] OpenError),
    /// See there.
    #[error(transparent)]
    Queue(#[from] QueueConfigError),
    /// A zone's thread.
    #[error("zone {zone}: {error}")]
    Thread {
        /// Which zone.
        zone: ZoneId,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A zone's endpoint.
    #[error("zone endpoints: {0}")]
    Zones(#[from] ConfigError),
}

/// What all zones start from.
struct Ground<G: Game> {
    game: G,
    layout: Layout,
    clock: Clock,
    epoch: Instant,
    master: [u8; 32],
    secret: SecretKey,
    endpoint: EndpointConfig,
    post: Post,
    ledger: Ledger,
    status: Arc<Status>,
    reports: mpsc::Sender<Report>,
    happenings: mpsc::Sender<Happening>,
}

impl App {
    /// Starts everything. Returns when players may come.
    ///
    /// `game` must span the world of the settings: `world.cols` by `world.rows` zones of
    /// [`ZONE_EDGE`].
    ///
    /// # Errors
    ///
    /// [`StartError`] says which part, and why.
    pub async fn start<G: Game>(
        game: G,
        settings: &Settings,
        queue: QueueConfig,
        status: Arc<Status>,
    ) -> Result<Self, StartError> {
        let layout = Layout::new(settings.world_rows, settings.world_cols, ZONE_EDGE)?;
        let mut entropy = system_entropy();
        let clock = Clock::start();
        let (post, mailboxes) = Post::new(layout.zones());
        let (reports, reports_in) = mpsc::channel(REPORTS_MAX);
        let (happenings, happenings_in) = mpsc::channel(HAPPENINGS_MAX);
        let ground = Ground {
            epoch: clock.now() + START_AFTER,
            endpoint: endpoint_config(&game, settings, &clock)?,
            game,
            layout,
            clock,
            master: entropy.bytes(),
            secret: SecretKey::generate(&mut entropy),
            post,
            ledger: open_ledger(settings).await?,
            status,
            reports,
            happenings,
        };
        let zones = start_zones(&ground, settings, mailboxes, &mut entropy).await?;
        let ears = Ears { reports: reports_in, happenings: happenings_in };
        let Fabric { gateway, matchmaking, bus, tasks, audit, match_audit } =
            weave(&ground, zones.doors, ears, settings, queue, &mut entropy)?;
        let admin = Admin::start(settings.admin_address, Arc::clone(&ground.status)).await?;
        ground.status.set_ready(true);
        let count = layout.zones().count();
        tracing::info!(gateway = %gateway.address, zones = count, "players may come");
        Ok(Self {
            status: ground.status,
            clock,
            layout,
            epoch: ground.epoch,
            gateway,
            admin,
            ledger: ground.ledger,
            bus,
            post: ground.post,
            matchmaking,
            zone_addresses: zones.addresses,
            zones: zones.threads,
            tasks,
            audit,
            match_audit,
        })
    }
}

/// Where what zones tell comes out.
struct Ears {
    reports: mpsc::Receiver<Report>,
    happenings: mpsc::Receiver<Happening>,
}

/// What runs beside the zones.
struct Fabric {
    gateway: GatewayHandle,
    matchmaking: ToMatchmaking,
    bus: Bus,
    tasks: Tasks,
    audit: Arc<Mutex<Audit>>,
    match_audit: Arc<Mutex<MatchAuditor>>,
}

/// Starts gateway, matchmaker, bus and auditors, and wires them to each other and to the zones.
fn weave<G: Game>(
    ground: &Ground<G>,
    doors: BTreeMap<ZoneId, (Door, Incarnation)>,
    ears: Ears,
    settings: &Settings,
    queue: QueueConfig,
    entropy: &mut Entropy,
) -> Result<Fabric, StartError> {
    let (outputs, outputs_in) = mpsc::channel(QUEUE_MAX);
    let gateway = Gateway::start(&gateway_config(settings), outputs)?;
    let (matchmaking, match_inputs) = mpsc::channel(QUEUE_MAX);
    let (match_outputs, match_outputs_in) = mpsc::unbounded_channel();
    let matchmaker = Matchmaker::new(queue, entropy.fork())?;
    let bus = Bus::local(entropy.next_u64());
    let events = bus.subscribe_group("store", Subject::Events)?;
    let match_audit = Arc::new(Mutex::new(MatchAuditor::default()));
    let audit = Arc::new(Mutex::new(Audit::new()));
    let wires = Wires {
        directory: Directory {
            game: ground.game.clone(),
            layout: ground.layout,
            doors: Arc::new(doors),
            ledger: ground.ledger.clone(),
            clock: ground.clock,
            entropy: Arc::new(Mutex::new(entropy.fork())),
        },
        ledger: ground.ledger.clone(),
        bus: bus.clone(),
        clock: ground.clock,
        status: Arc::clone(&ground.status),
        gateway: gateway.inputs.clone(),
        waiting: Arc::new(Mutex::new(Waiting::default())),
        match_audit: Arc::clone(&match_audit),
    };
    let tasks = Tasks {
        matchmaker: spawn_matchmaker(matchmaker, ground.clock, match_inputs, match_outputs),
        arrows: vec![
            tokio::spawn(wires.clone().run_gateway(outputs_in, matchmaking.clone())),
            tokio::spawn(wires.clone().run_world(ears.happenings, matchmaking.clone())),
            tokio::spawn(wires.clone().run_matchmaking(match_outputs_in)),
            tokio::spawn(run_audit(Arc::clone(&audit), ears.reports)),
        ],
        store: tokio::spawn(wires.run_store(events)),
    };
    Ok(Fabric { gateway, matchmaking, bus, tasks, audit, match_audit })
}

async fn run_audit(audit: Arc<Mutex<Audit>>, mut reports: mpsc::Receiver<Report>) {
    let mut batch = Vec::new();
    while reports.recv_many(&mut batch, 1_024).await > 0 {
        let mut audit = audit.lock().unwrap_or_else(PoisonError::into_inner);
        batch.drain(..).for_each(|report| audit.observe(&report));
    }
}

async fn open_ledger(settings: &Settings) -> Result<Ledger, StartError> {
    let path = &settings.data_directory;
    std::fs::create_dir_all(path)
        .map_err(|error| StartError::Data { path: path.display().to_string(), error })?;
    let (ledger, _writer) = Ledger::open(&path.join(LEDGER_FILE)).await?;
    Ok(ledger)
}

fn endpoint_config<G: Game>(
    game: &G,
    settings: &Settings,
    clock: &Clock,
) -> Result<EndpointConfig, ConfigError> {
    EndpointConfig::builder(channels())
        .schema_hash(game.schema().hash())
        .connections_max(settings.zones_connections_max as usize)
        .unix_ms_at_epoch(clock.unix_ms_at_epoch())
        .build()
}

fn gateway_config(settings: &Settings) -> GatewayConfig {
    GatewayConfig {
        address: settings.gateway_address,
        connections_max: settings.gateway_connections_max as usize,
        passwords: PasswordConfig {
            memory_kib: settings.login_argon2_memory_kib,
            iterations: settings.login_argon2_iterations,
            lanes: settings.login_argon2_parallelism,
            ..PasswordConfig::default()
        },
        limits: Limits {
            attempts_per_address: Rate::per_minute(settings.login_attempts_per_address_min),
            attempts_per_account: Rate::per_minute(settings.login_attempts_per_account_min),
            ..Limits::default()
        },
        ..GatewayConfig::default()
    }
}

/// All zones, running.
struct Started {
    doors: BTreeMap<ZoneId, (Door, Incarnation)>,
    addresses: Vec<SocketAddr>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

async fn start_zones<G: Game>(
    ground: &Ground<G>,
    settings: &Settings,
    mut mailboxes: BTreeMap<ZoneId, Mailbox>,
    entropy: &mut Entropy,
) -> Result<Started, StartError> {
    let (mut doors, mut addresses, mut threads) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (zone, address) in ground.layout.zones().zip(settings.zone_addresses()) {
        let incarnation = ground.ledger.start_zone(zone).await?;
        mint(ground, zone, entropy).await?;
        let items = ground.ledger.ground(zone).await?;
        let items = items.into_iter().map(|lying| (lying.item, lying.at)).collect();
        if let Some(own) = ground.post.to(zone) {
            own.deliver(Mail::World(world::Input::Ground { items })).await;
        }
        let mailbox = mailboxes.remove(&zone).expect("a mailbox was made for each zone");
        let (bound, is_bound) = oneshot::channel();
        let thread = spawn_zone(ground, zone, address, incarnation, mailbox, bound, entropy)?;
        let address = match is_bound.await {
            Ok(Ok(address)) => address,
            Ok(Err(error)) => return Err(StartError::Bind { zone, error }),
            Err(_) => {
                let error = io::Error::other("its thread ended at once");
                return Err(StartError::Thread { zone, error });
            }
        };
        addresses.push(address);
        doors.insert(zone, (door(ground, zone, address), incarnation));
        threads.push(thread);
    }
    Ok(Started { doors, addresses, threads })
}

fn spawn_zone<G: Game>(
    ground: &Ground<G>,
    zone: ZoneId,
    address: SocketAddr,
    incarnation: Incarnation,
    mailbox: Mailbox,
    bound: oneshot::Sender<Result<SocketAddr, BindError>>,
    entropy: &mut Entropy,
) -> Result<std::thread::JoinHandle<()>, StartError> {
    let wrap = |error| StartError::Thread { zone, error };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(wrap)?;
    let (game, clock, epoch) = (ground.game.clone(), ground.clock, ground.epoch);
    let (post, ledger, status) =
        (ground.post.clone(), ground.ledger.clone(), Arc::clone(&ground.status));
    let (reports, happenings) = (ground.reports.clone(), ground.happenings.clone());
    let keys = ServerKeys {
        secret: ground.secret.clone(),
        token_keys: vec![Door::zone_key(&ground.master, zone)],
        server_id: zone.0,
    };
    let endpoint = Endpoint::server(ground.endpoint.clone(), keys, entropy.fork());
    let (zone_entropy, handoff_entropy) = (entropy.fork(), entropy.fork());
    let unbound = door(ground, zone, address);
    let config = ZoneConfig::new(zone, incarnation, ground.layout, epoch);
    let run = async move {
        let socket = match Socket::bind(address) {
            Ok(socket) => socket,
            Err(error) => {
                let _ = bound.send(Err(error));
                return;
            }
        };
        let address = reachable(socket.local_address());
        let _ = bound.send(Ok(address));
        let rate = game.tick_rate();
        let host = ZoneHost {
            zone: Zone::new(game, config, Tick::ZERO, zone_entropy),
            handoff: Handoff::new(Door { address, ..unbound }, incarnation, handoff_entropy),
            driver: Driver::new(clock, socket, endpoint),
            clock,
            epoch,
            rate,
            mailbox,
            post,
            ledger,
            incarnation,
            status,
            reports,
            happenings,
        };
        host.run().await;
    };
    std::thread::Builder::new()
        .name(format!("zone-{zone}"))
        .spawn(move || runtime.block_on(run))
        .map_err(wrap)
}

fn door<G: Game>(ground: &Ground<G>, zone: ZoneId, address: SocketAddr) -> Door {
    Door {
        zone,
        address,
        server_public: ground.secret.public(),
        token_key: Door::zone_key(&ground.master, zone),
    }
}

/// As clients reach it. A socket on every address of the machine has no address to tell; clients
/// of the same machine reach it over the loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    tracing::warn!(
        %address,
        "clients on other machines cannot be told this address: set zones.address to the one that \
         they reach"
    );
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
}

/// Gives a zone its items, once for ever: the key of each names it.
async fn mint<G: Game>(
    ground: &Ground<G>,
    zone: ZoneId,
    entropy: &mut Entropy,
) -> Result<(), MoveError> {
    let (min, max) = ground.layout.bounds(zone);
    for index in 0..ITEMS_A_ZONE {
        let at = [0, 1].map(|axis| {
            let share = 0.1 + 0.8 * entropy.unit() as f32;
            min[axis] + (max[axis] - min[axis]) * share
        });
        let key = u128::from(zone.0) << 32 | u128::from(index);
        ground.ledger.mint(key, zone, at).await?;
    }
    Ok(())
}
