//! A device on the network: it dials and is dialled over QUIC under its own key.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_ok;
use iroh::endpoint::{
    BindOpts, Connection, ConnectionError, IncomingAddr, MtuDiscoveryConfig, PortmapperConfig,
    QuicTransportConfig, VarInt, presets,
};
use iroh::protocol::{AcceptError, IncomingFilterOutcome, ProtocolHandler, Router};
use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayConfig, RelayMap, RelayMode, RelayUrl, SecretKey,
    TransportAddr, Watcher,
};
use parking_lot::Mutex;
use rhizome_ipld::PublicKey;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::address::PeerAddress;
use crate::discovery::{AddressBook, Discovery, Sightings};
use crate::door::{Source, Verdict};
use crate::error::{NetworkError, reason};
use crate::link::Link;
use crate::protocol::Protocol;
use crate::quic;
use crate::service::Services;
use crate::websocket::{self, Listening, WebSocketConfig};

/// How long dialling over QUIC may take, discovery included.
pub const DIAL_WAIT: Duration = Duration::from_secs(10);
/// How long it may take if there is a WebSocket to be tried after it.
pub const DIAL_WAIT_BEFORE_WEBSOCKET: Duration = Duration::from_secs(4);
/// How long a dial may go without an answer until another is begun beside it. A listener that has sent a `Retry` may take what comes then
/// for packets of a connection that it has: the id in it has 24 random bits, and noq 1.4 does not look whether it is in use. Such a dial
/// is never answered; a new one is.
const DIAL_AGAIN: Duration = Duration::from_secs(3);
/// How long a peer that has connected may take to begin its stream.
const STREAM_WAIT: Duration = Duration::from_secs(10);
/// How long handlers get to end when the node is shut down.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(3);
/// Peers heard that wait for a slow listener.
const SIGHTINGS: usize = 64;
/// Bytes by which larger packets must differ to be tried.
const PROBE_STEP: u16 = 127;
/// Bytes that may be under way on one link before its reader has taken them.
const WINDOW: u32 = 2 << 20;

/// A relay, and what it wants to see before it relays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAccess {
    /// `http://` or `https://` URL.
    pub url: String,
    /// Sent to this relay only.
    pub token: Option<String>,
}

/// How a node is on the network.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Where to listen for QUIC (UDP): exactly here and nowhere else; port 0 takes any free one. With an empty list the node has no
    /// socket and is reached through relays only. Of several addresses of one family the first is the one others are reached from.
    pub bind: Vec<SocketAddr>,
    /// Relays to be reachable through, and to reach others through.
    pub relays: Vec<RelayAccess>,
    /// Whether relays may be added later ([`Node::add_relay`]), also if there is none yet.
    pub more_relays: bool,
    /// Where peers are looked for whose addresses have no places, or wrong ones. The caller keeps a clone and feeds it.
    pub book: AddressBook,
    /// Other ways to look for peers, and to be found.
    pub discovery: Vec<Discovery>,
    /// Where to listen for WebSockets, if at all: for whom UDP does not reach.
    pub websocket: Option<WebSocketConfig>,
}

impl Default for NodeConfig {
    /// Loopback only, no relays, an empty book, no discovery, no WebSockets.
    fn default() -> Self {
        Self {
            bind: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            relays: vec![],
            more_relays: false,
            book: AddressBook::default(),
            discovery: vec![],
            websocket: None,
        }
    }
}

/// How it stands with a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayState {
    /// Its URL.
    pub url: String,
    /// Whether this node can be reached through it now.
    pub connected: bool,
    /// Why the relay does not let this node in, if it does not.
    pub denied: Option<String>,
}

/// A device on the network. To be ended with [`Node::shutdown`]: one that is dropped does not say goodbye.
pub struct Node {
    endpoint: Endpoint,
    router: Router,
    services: Services,
    config: NodeConfig,
    sightings: Sightings,
    listening: Vec<JoinHandle<()>>,
    websockets: Option<Listening>,
    added: Mutex<Vec<RelayUrl>>,
}

impl Node {
    /// Starts a node: from now on it can be dialled for what `services` serve.
    ///
    /// # Errors
    /// [`NetworkError::Bind`], [`NetworkError::Relay`] (a URL), [`NetworkError::Discovery`].
    pub async fn start(services: Services, config: NodeConfig) -> Result<Self, NetworkError> {
        let websockets = match &config.websocket {
            Some(web) => Some(Listening::start(services.clone(), web.listen).await?),
            None => None,
        };
        let secret = SecretKey::from_bytes(&services.signing_key().seed());
        // One probe for the largest packets, another half-way if that is lost: a search to the byte costs a short visit more than it brings.
        let mut probes = MtuDiscoveryConfig::default();
        probes.minimum_change(PROBE_STEP);
        let transport = QuicTransportConfig::builder()
            .mtu_discovery_config(Some(probes))
            .max_concurrent_bidi_streams(VarInt::from_u32(1))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .datagram_receive_buffer_size(None)
            .stream_receive_window(VarInt::from_u32(WINDOW))
            .receive_window(VarInt::from_u32(WINDOW + (WINDOW >> 2)))
            .send_window(u64::from(WINDOW))
            .build();
        // `Minimal` is a provider of cryptography and nothing else: no relay and no name server of anybody.
        let mut builder = Endpoint::builder(presets::Minimal)
            .secret_key(secret)
            .transport_config(transport)
            .relay_mode(relays(&config.relays, config.more_relays)?)
            .clear_ip_transports()
            // Off even if something else in the program has compiled it in: it would ask the router for ports.
            .portmapper_config(PortmapperConfig::Disabled)
            .address_lookup(config.book.lookup());
        // The first of a family is the one others are reached from, and has to be given last.
        for (at, address) in config.bind.iter().enumerate().rev() {
            let mut earlier = config.bind.iter().take(at);
            let first = !earlier.any(|a| a.is_ipv4() == address.is_ipv4());
            let options = match (first, address.is_ipv4()) {
                (true, _) => BindOpts::default(),
                (false, true) => BindOpts::default().set_prefix_len(32),
                (false, false) => BindOpts::default().set_prefix_len(128),
            };
            builder = builder
                .bind_addr_with_opts(*address, options)
                .map_err(|e| bind_error(&config.bind, &e))?;
        }
        for discovery in &config.discovery {
            builder = discovery.add_to(builder)?;
        }
        let endpoint = Box::pin(builder.bind()) // a large future
            .await
            .map_err(|e| bind_error(&config.bind, &e))?;
        let (sightings, _) = broadcast::channel(SIGHTINGS);
        let mut listening = vec![];
        for discovery in &config.discovery {
            match discovery.start(&endpoint, &sightings) {
                Ok(task) => listening.extend(task),
                Err(error) => {
                    endpoint.close().await;
                    return Err(error);
                }
            }
        }
        let router = route(&endpoint, &services);
        Ok(Self {
            endpoint,
            router,
            services,
            config,
            sightings,
            listening,
            websockets,
            added: Mutex::default(),
        })
    }

    /// The key of this device.
    pub fn key(&self) -> PublicKey {
        self.services.key()
    }

    /// What is served here.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Where peers are looked for.
    pub fn book(&self) -> &AddressBook {
        &self.config.book
    }

    /// The sockets this node listens on.
    pub fn sockets(&self) -> Vec<SocketAddr> {
        self.endpoint.bound_sockets()
    }

    /// Where this node can be dialled at the moment: its sockets (or, where it listens on all interfaces, the addresses of those) and
    /// its relays and its WebSocket. One that is served by the caller's own web server is the caller's to add.
    ///
    /// # Errors
    /// [`NetworkError::Address`], if the URL of a relay or of the WebSocket is not one that an address can hold.
    pub fn address(&self) -> Result<PeerAddress, NetworkError> {
        let mut address = PeerAddress::new(self.key())?;
        let own = self.sockets();
        let anywhere = own.iter().any(|s| s.ip().is_unspecified());
        let found = anywhere.then(|| self.endpoint.addr());
        let found = found.iter().flat_map(EndpointAddr::ip_addrs).copied();
        for socket in own.into_iter().chain(found) {
            // One that is unspecified, or one too many, is no reason to have no address.
            if let Ok(more) = address.clone().with_socket(socket) {
                address = more;
            }
        }
        for url in self.relay_urls() {
            address = address.with_relay(url.as_str())?;
        }
        if let (Some(web), Some(config)) = (&self.websockets, &self.config.websocket) {
            address = match &config.url {
                Some(url) => address.with_websocket(url)?,
                None if web.address().ip().is_unspecified() => address,
                None => address.with_websocket(&format!("ws://{}/", web.address()))?,
            };
        }
        Ok(address)
    }

    /// Dials a peer: over QUIC if its address has sockets or relays or it can be found, then over its WebSocket if it has one. Whether
    /// the other side lets us in shows with the first message received: [`NetworkError::Refused`].
    ///
    /// # Errors
    /// [`NetworkError::Unreachable`], [`NetworkError::Refused`] and those of [`websocket::dial`].
    pub async fn dial(
        &self,
        address: &PeerAddress,
        protocol: Protocol,
    ) -> Result<Link, NetworkError> {
        let limit = match address.websocket() {
            Some(_) => DIAL_WAIT_BEFORE_WEBSOCKET,
            None => DIAL_WAIT,
        };
        let quic = tokio::time::timeout(limit, Box::pin(self.dial_again(address, protocol)))
            .await
            .unwrap_or(Err(NetworkError::Timeout {
                what: "dialling over QUIC",
                limit,
            }));
        match (quic, address.websocket()) {
            (Err(error), Some(url)) if !matches!(error, NetworkError::Refused { .. }) => {
                tracing::debug!(%error, url, "no way over QUIC, trying the WebSocket");
                websocket::dial(url, address.key(), protocol, self.services.signing_key()).await
            }
            (result, _) => result,
        }
    }

    async fn dial_again(
        &self,
        address: &PeerAddress,
        protocol: Protocol,
    ) -> Result<Link, NetworkError> {
        let mut first = Box::pin(self.dial_quic(address, protocol));
        if let Ok(done) = tokio::time::timeout(DIAL_AGAIN, &mut first).await {
            return done;
        }
        let second = Box::pin(self.dial_quic(address, protocol));
        select_ok([first, second]).await.map(|(link, _)| link)
    }

    async fn dial_quic(
        &self,
        address: &PeerAddress,
        protocol: Protocol,
    ) -> Result<Link, NetworkError> {
        let peer = address.key();
        let unreachable = |reason: String| NetworkError::Unreachable { peer, reason };
        let mut to = endpoint_addr(address)?;
        // nobody is asked who was not configured
        let known = self.relay_urls();
        to.addrs
            .retain(|a| !matches!(a, TransportAddr::Relay(url) if !known.contains(url)));
        let connection = self
            .endpoint
            .connect(to, protocol.name().as_bytes())
            .await
            .map_err(|e| unreachable(reason(format!("{e:#}").as_bytes())))?;
        let (mut send, recv) = connection
            .open_bi()
            .await
            .map_err(|e| quic::lost(peer, &e))?;
        if let Err(error) = send.write_all(&[quic::VERSION]).await {
            return Err(match connection.close_reason() {
                Some(closed) => quic::lost(peer, &closed),
                None => unreachable(error.to_string()),
            });
        }
        quic::link(connection, send, recv)
    }

    /// Peers as they are heard on the local network (mDNS), each again and again while it is there: to be dialled, if they are known.
    /// Anybody can claim to be there under any key; who is at the place shows when it is dialled.
    pub fn sightings(&self) -> broadcast::Receiver<PublicKey> {
        self.sightings.subscribe()
    }

    /// Waits until this node can be reached through one of its relays; never returns if it has none.
    pub async fn online(&self) {
        self.endpoint.online().await;
    }

    /// How it stands with the relays in use.
    pub fn relays(&self) -> Vec<RelayState> {
        let status = self.endpoint.home_relay_status().get();
        status
            .iter()
            .map(|relay| RelayState {
                url: relay.url().to_string(),
                connected: relay.is_connected(),
                denied: relay.auth_denied_reason().map(|why| reason(why.as_bytes())),
            })
            .collect()
    }

    /// Adds a relay, to be reachable through, and to reach others through. Only nodes that were started with a relay, or with
    /// [`NodeConfig::more_relays`], can use more of them.
    ///
    /// # Errors
    /// [`NetworkError::Relay`].
    pub async fn add_relay(&self, relay: &RelayAccess) -> Result<(), NetworkError> {
        let config = relay_config(relay)?;
        let url = config.url.clone();
        self.endpoint
            .insert_relay(url.clone(), Arc::new(config))
            .await;
        let mut added = self.added.lock();
        if !added.contains(&url) {
            added.push(url);
        }
        Ok(())
    }

    /// The relays of its configuration, and those added since.
    fn relay_urls(&self) -> Vec<RelayUrl> {
        let first = self.config.relays.iter();
        let mut all: Vec<RelayUrl> = first.filter_map(|r| parse_relay(&r.url).ok()).collect();
        for url in &*self.added.lock() {
            if !all.contains(url) {
                all.push(url.clone());
            }
        }
        all
    }

    /// To be called when the network may have changed (another Wi-Fi, back from sleep): paths are checked again at once. Where the
    /// system tells, this happens by itself.
    pub async fn network_changed(&self) {
        self.endpoint.network_change().await;
    }

    /// Ends the node: cuts the links it serves, says goodbye on those it has dialled, closes its sockets. The services are down after
    /// this, over WebSockets too. The sockets are free a moment later, when the last task has let go of them.
    ///
    /// # Errors
    /// [`NetworkError::Timeout`] if a handler does not end; the node is shut down all the same.
    pub async fn shutdown(mut self) -> Result<(), NetworkError> {
        drop(self.websockets.take());
        for task in &self.listening {
            task.abort();
        }
        let handlers = self.services.shutdown(SHUTDOWN_WAIT).await;
        if let Err(error) = self.router.shutdown().await {
            tracing::warn!(%error, "the router did not end in good order");
        }
        self.endpoint.close().await;
        handlers
    }
}

fn bind_error(bind: &[SocketAddr], error: &dyn std::fmt::Display) -> NetworkError {
    let addresses: Vec<_> = bind.iter().map(ToString::to_string).collect();
    NetworkError::Bind {
        address: addresses.join(", "),
        reason: format!("{error:#}"),
    }
}

fn parse_relay(url: &str) -> Result<RelayUrl, NetworkError> {
    url.parse().map_err(|_| NetworkError::Relay {
        reason: format!("{} is not a URL", reason(url.as_bytes())),
    })
}

fn relay_config(relay: &RelayAccess) -> Result<RelayConfig, NetworkError> {
    let config = RelayConfig::new(parse_relay(&relay.url)?, None);
    Ok(match &relay.token {
        Some(token) => config.with_auth_token(token),
        None => config,
    })
}

fn relays(relays: &[RelayAccess], more: bool) -> Result<RelayMode, NetworkError> {
    if relays.is_empty() && !more {
        return Ok(RelayMode::Disabled);
    }
    let map = RelayMap::empty();
    for relay in relays {
        let config = relay_config(relay)?;
        map.insert(config.url.clone(), Arc::new(config));
    }
    Ok(RelayMode::Custom(map))
}

pub(crate) fn endpoint_id(address: &PeerAddress) -> Result<EndpointId, NetworkError> {
    EndpointId::from_bytes(address.key_bytes())
        .map_err(|_| NetworkError::Key { key: address.key() })
}

pub(crate) fn endpoint_addr(address: &PeerAddress) -> Result<EndpointAddr, NetworkError> {
    let mut to = EndpointAddr::new(endpoint_id(address)?);
    for socket in address.sockets() {
        to = to.with_ip_addr(*socket);
    }
    for url in address.relays() {
        to = to.with_relay_url(parse_relay(url)?);
    }
    Ok(to)
}

fn route(endpoint: &Endpoint, services: &Services) -> Router {
    let door = services.clone();
    let mut router = Router::builder(endpoint.clone()).incoming_filter(Arc::new(move |incoming| {
        let source = match incoming.remote_addr() {
            IncomingAddr::Ip(address) => Source::of(address),
            IncomingAddr::Relay { endpoint_id, .. } => Source::Relayed(*endpoint_id.as_bytes()),
            _ => return IncomingFilterOutcome::Reject,
        };
        match door.knock(source, incoming.remote_addr_validated()) {
            Verdict::Enter => IncomingFilterOutcome::Accept,
            // a round trip more, but no work for forged senders
            Verdict::Prove => IncomingFilterOutcome::Retry,
            Verdict::Refuse => IncomingFilterOutcome::Reject,
            Verdict::Ignore => IncomingFilterOutcome::Ignore,
        }
    }));
    for protocol in services.protocols() {
        router = router.accept(
            protocol.name(),
            Gate {
                services: services.clone(),
                protocol,
            },
        );
    }
    router.spawn()
}

/// Lets connections for one protocol in.
struct Gate {
    services: Services,
    protocol: Protocol,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gate({})", self.protocol)
    }
}

impl ProtocolHandler for Gate {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let peer = quic::public(connection.remote_id());
        let place = match self.services.admit(self.protocol, peer) {
            Ok(place) => place,
            Err(reason) => {
                quic::refuse(&connection, &reason);
                return Ok(());
            }
        };
        let begun = async {
            let (send, mut recv) = connection.accept_bi().await?;
            let mut version = [0];
            let read = recv.read_exact(&mut version).await;
            Ok::<_, ConnectionError>(
                (read.is_ok() && version == [quic::VERSION]).then_some((send, recv)),
            )
        };
        match tokio::time::timeout(STREAM_WAIT, begun).await {
            Ok(Ok(Some((send, recv)))) => match quic::link(connection, send, recv) {
                Ok(link) => place.run(link).await,
                Err(error) => tracing::debug!(%error, "a link was not accepted"),
            },
            Ok(Ok(None)) => quic::refuse(&connection, "this is not version 1 of rhizome links"),
            Ok(Err(error)) => tracing::debug!(%peer, %error, "gone before it said anything"),
            Err(_) => quic::refuse(&connection, "nothing was said"),
        }
        Ok(())
    }
}
