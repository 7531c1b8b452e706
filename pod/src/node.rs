//! A pod on the network: its other devices come to it, and it goes to them and to the peers that keep it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::routing::MethodRouter;
use parking_lot::Mutex;
use rhizome_identity::{Operation, Proposal, Role as DeviceRole};
use rhizome_ipld::PublicKey;
use rhizome_member::{MemberStore, News};
use rhizome_network::{
    Admission, Discovery, Link, Meter, Node, NodeConfig, PeerAddress, Protocol, RelayAccess,
    Services, websocket,
};
use rhizome_share::Certificate;
use rhizome_sync::{Output, Role};
use rhizome_tuple::CommitId;
use serde_json::{Value as Json, json};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use zeroize::Zeroizing;

use crate::{
    COMPARED, Emoji, Pod, PodError,
    files::{self, Carried, Side},
    home::random_bytes,
    pairing::{self, Newcomer, PairingCode},
    reach::Reach,
    sync::{Exchanged, Until, Way, drive, hello},
    touch::DIAL_TIME,
};

/// How long a peer that refuses may take to say why.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long a pairing code is good.
pub const PAIRING_TIME: Duration = Duration::from_mins(2);
/// Under which name devices look for each other on a local network.
const LOCAL_SERVICE: &str = "rhizome";
/// Wrong attempts after which it is not: proofs that prove nothing, or comparisons without two yeses.
pub const PAIRING_ATTEMPTS: u32 = 5;

/// An open pod that can be reached, and reaches others. To be ended with [`PodNode::shutdown`].
pub struct PodNode {
    shared: Arc<Shared>,
    node: Node,
    /// Those in use.
    relays: Mutex<BTreeSet<String>>,
}

pub(crate) struct Shared {
    pod: Arc<Pod>,
    invitation: Mutex<Option<Arc<Invitation>>>,
    /// How many comparisons there have been.
    comparisons: AtomicU64,
    last_joined: Mutex<Option<Joined>>,
    /// What is known of each peer.
    states: Mutex<BTreeMap<PublicKey, PeerState>>,
    /// How much has gone over the session that was begun last with each.
    meters: Mutex<BTreeMap<PublicKey, Meter>>,
    /// What each of them is known to have.
    reach: Arc<Mutex<BTreeMap<PublicKey, Reach>>>,
    /// The listener that tells `reach` what is new.
    watch: u64,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.pod.member().unlisten(self.watch);
    }
}

/// What is known of the exchange with a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerState {
    /// A session is open.
    pub connected: bool,
    /// Both sides had the same when they last compared, and nothing was refused.
    pub equal: bool,
    /// When they last did, in milliseconds since 1970.
    pub synced_ms: Option<i64>,
    /// Commits got from it since the start.
    pub received: u64,
    /// Commits and certificates it confirmed to have, of those pushed to it since the start.
    pub delivered: u64,
    /// Commits here that it is not known to have; `None` as long as nothing has been compared since this node started.
    pub pending: Option<u64>,
    /// What went wrong last.
    pub error: Option<String>,
}

struct Invitation {
    trust: Trust,
    role: DeviceRole,
    until: Instant,
    attempts: AtomicU32,
    /// A device is being added by it.
    used: AtomicBool,
    joined: watch::Sender<Option<Joined>>,
}

/// How a new device is known.
enum Trust {
    /// By a proof that it has the secret of the code.
    Secret(Zeroizing<[u8; 32]>),
    /// By a person who looks at both.
    Person(Box<Desk>),
}

/// Where comparisons are made.
#[derive(Default)]
struct Desk {
    /// One at a time: there is one screen.
    turn: tokio::sync::Mutex<()>,
    now: Mutex<Option<Asked>>,
    /// One has ended with a no.
    refused: AtomicBool,
}

struct Asked {
    comparison: Comparison,
    /// Until the person has said it. Dropped, it is a no.
    answer: Option<oneshot::Sender<bool>>,
}

/// What a person is to compare with what the new device shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Which: the answer is for this one only.
    pub id: u64,
    /// What the new device calls itself.
    pub name: String,
    /// To be shown in this order.
    pub emoji: [Emoji; COMPARED],
}

/// How it stands with a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingState {
    /// It is still good.
    pub open: bool,
    /// The comparison that goes on.
    pub comparison: Option<Comparison>,
    /// A comparison has ended with a no, on one device or the other.
    pub refused: bool,
    /// The device that joined by the last code.
    pub joined: Option<Joined>,
}

impl PairingState {
    /// As the API prints it.
    pub fn to_json(&self) -> Json {
        let comparison = self
            .comparison
            .as_ref()
            .map(|c| json!({ "id": c.id, "name": c.name, "emoji": c.emoji }));
        let joined = self
            .joined
            .as_ref()
            .map(|j| json!({ "key": j.key.to_did_key(), "name": j.name }));
        json!({
            "open": self.open,
            "comparison": comparison,
            "refused": self.refused,
            "joined": joined,
        })
    }
}

/// A device that has been added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its key.
    pub key: PublicKey,
    /// Its name.
    pub name: String,
}

/// What came of an exchange with one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerReport {
    /// Which.
    pub key: PublicKey,
    /// Where.
    pub address: String,
    /// Commits received.
    pub received: u64,
    /// Certificates received.
    pub certificates: u64,
    /// Whether both sides have the same now.
    pub equal: bool,
    /// Bytes sent on the link, framing included.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes of the datagrams that carried them, sent and received, over QUIC: handshake, encryption and acknowledgements included.
    pub datagrams: Option<(u64, u64)>,
    /// Files carried.
    pub files: Carried,
    /// A device that is not there at the moment; nothing was tried.
    pub away: bool,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl PeerReport {
    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "key": self.key.to_did_key(),
            "address": self.address,
            "received": self.received,
            "certificates": self.certificates,
            "equal": self.equal,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "datagram_bytes_sent": self.datagrams.map(|d| d.0),
            "datagram_bytes_received": self.datagrams.map(|d| d.1),
            "files": {
                "fetched": self.files.fetched,
                "pushed": self.files.pushed,
                "missing": self.files.missing,
                "failed": self.files.failed,
            },
            "away": self.away,
            "error": self.error,
        })
    }
}

impl PodNode {
    /// Starts to be reachable at these addresses; port 0 takes any free one.
    ///
    /// # Errors
    /// [`PodError::Network`] if it cannot listen there.
    pub async fn start(pod: Arc<Pod>, listen: Vec<SocketAddr>) -> Result<Self, PodError> {
        let reach: Arc<Mutex<BTreeMap<PublicKey, Reach>>> = Arc::default();
        let told = Arc::clone(&reach);
        let watch = pod.member().listen(move |news| {
            if let News::Commit(name) = news {
                told.lock().values_mut().for_each(|r| r.came(name.id));
            }
        });
        let shared = Arc::new(Shared {
            invitation: Mutex::default(),
            comparisons: AtomicU64::new(0),
            last_joined: Mutex::default(),
            states: Mutex::default(),
            meters: Mutex::default(),
            reach,
            watch,
            pod,
        });
        let admit = {
            let shared = Arc::clone(&shared);
            move |protocol, _: &PublicKey| match protocol {
                Protocol::Pair if shared.invited().is_none() => {
                    Admission::Reject("no device is expected here now".into())
                }
                _ => Admission::Admit,
            }
        };
        let [syncs, files, pairs] = std::array::from_fn(|_| Arc::clone(&shared));
        let services = Services::builder(Arc::new(shared.pod.signing_key()), admit)
            .serve(Protocol::Sync, move |link| {
                let shared = Arc::clone(&syncs);
                async move { shared.answer(link).await }
            })
            .serve(Protocol::Blob, move |link| {
                let shared = Arc::clone(&files);
                async move { shared.answer_files(link).await }
            })
            .serve(Protocol::Pair, move |link| {
                let shared = Arc::clone(&pairs);
                async move { shared.receive_device(link).await }
            })
            .build();
        // who is to be reached from other machines is to be found there
        let is_near = listen.iter().all(|at| at.ip().is_loopback());
        let discovery = Discovery::Mdns {
            service: LOCAL_SERVICE.into(),
            advertise: true,
        };
        let config = NodeConfig {
            bind: listen,
            discovery: if is_near { vec![] } else { vec![discovery] },
            more_relays: true,
            ..NodeConfig::default()
        };
        let node = Node::start(services, config).await?;
        let started = Self {
            shared,
            node,
            relays: Mutex::default(),
        };
        started.use_relays().await?;
        Ok(started)
    }

    /// Uses the relays of the peers that keep the pod, as far as it does not yet. They know this device by its key and its pod. From then
    /// on they are part of the address that the other devices are told.
    pub(crate) async fn use_relays(&self) -> Result<(), PodError> {
        for peer in self.shared.pod.peers()? {
            let Ok(address) = peer.address.parse::<PeerAddress>() else {
                continue;
            };
            for url in address.relays() {
                if self.relays.lock().insert(url.clone()) {
                    let access = RelayAccess {
                        url: url.clone(),
                        token: Some(self.shared.pod.did().to_owned()),
                    };
                    self.node.add_relay(&access).await?;
                }
            }
        }
        Ok(())
    }

    /// The same services over a WebSocket, for a web server.
    pub(crate) fn link_route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        websocket::route(self.node.services().clone())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The pod.
    pub fn pod(&self) -> &Arc<Pod> {
        &self.shared.pod
    }

    /// Where it can be reached.
    ///
    /// # Errors
    /// [`PodError::Network`].
    pub fn address(&self) -> Result<PeerAddress, PodError> {
        Ok(self.node.address()?)
    }

    /// What is known of the peers.
    pub fn peers(&self) -> BTreeMap<PublicKey, PeerState> {
        let mut states = self.shared.states.lock().clone();
        let reach = self.shared.reach.lock();
        for (key, state) in &mut states {
            state.pending = reach.get(key).and_then(Reach::pending);
        }
        states
    }

    /// What tells how much has gone over the session that was begun last with a peer.
    pub fn meter(&self, peer: &PublicKey) -> Option<Meter> {
        self.shared.meters.lock().get(peer).cloned()
    }

    /// Commits here that no peer is known to have; `None` as long as none has been compared with.
    pub fn undelivered(&self) -> Option<u64> {
        let reach = self.shared.reach.lock();
        let mut each = reach.values().filter_map(Reach::missing);
        let first: BTreeSet<_> = each.next()?.collect();
        let nowhere = each.fold(first, |nowhere, missing| {
            missing.filter(|id| nowhere.contains(id)).collect()
        });
        Some(nowhere.len() as u64)
    }

    /// The peers that were compared with since this node started, and whether each has a commit that is here.
    pub fn reach_of(&self, commit: &CommitId) -> BTreeMap<PublicKey, bool> {
        let reach = self.shared.reach.lock();
        let known = reach
            .iter()
            .filter_map(|(k, r)| Some((*k, r.has(&commit.0)?)));
        known.collect()
    }

    /// Makes a code for one new device, good for [`PAIRING_TIME`]. A code of before is good no longer.
    ///
    /// # Errors
    /// [`PodError::Share`] if this device may not add others.
    pub fn invite(&self, role: DeviceRole) -> Result<(PairingCode, Waiting), PodError> {
        let mut secret = Zeroizing::new([0; 32]);
        random_bytes()?(&mut *secret);
        let (address, waiting) = self.wait_for(role, Trust::Secret(secret.clone()))?;
        Ok((PairingCode { address, secret }, waiting))
    }

    /// As [`Self::invite`], with a code that is no secret. Instead of proving that it has one, the new device shows pictures, and so does
    /// this one ([`Self::pairing`]); a person says whether they are the same ([`Self::confirm`]).
    ///
    /// # Errors
    /// As [`Self::invite`].
    pub fn invite_to_compare(&self, role: DeviceRole) -> Result<(PeerAddress, Waiting), PodError> {
        self.wait_for(role, Trust::Person(Box::default()))
    }

    fn wait_for(&self, role: DeviceRole, trust: Trust) -> Result<(PeerAddress, Waiting), PodError> {
        let pod = &self.shared.pod;
        if !pod.is_admin() {
            return Err(rhizome_share::ShareError::NotAnAdmin.into());
        }
        let own = pod.signing_key().public();
        if pod.device_name(&own).is_none() {
            // from now on there is more than one to tell apart
            pod.name_device(&own, &crate::host_name())?;
        }
        self.announce()?;
        let (joined, wait) = watch::channel(None);
        let until = Instant::now() + PAIRING_TIME;
        self.shared.replace_invitation(Some(Arc::new(Invitation {
            trust,
            role,
            until,
            attempts: AtomicU32::new(0),
            used: AtomicBool::new(false),
            joined,
        })));
        self.shared.last_joined.lock().take();
        Ok((self.address()?, Waiting { wait, until }))
    }

    /// How it stands with the code that was made last.
    pub fn pairing(&self) -> PairingState {
        // in this order: who joins is known before the comparison is over, and that before the code is
        let invitation = self.shared.invited();
        let desk = match invitation.as_ref().map(|i| &i.trust) {
            Some(Trust::Person(desk)) => Some(desk),
            _ => None,
        };
        let comparison = desk.and_then(|d| Some(d.now.lock().as_ref()?.comparison.clone()));
        PairingState {
            open: invitation.is_some(),
            comparison,
            refused: desk.is_some_and(|d| d.refused.load(Ordering::Acquire)),
            joined: self.shared.last_joined.lock().clone(),
        }
    }

    /// Says whether both devices show the same in this comparison.
    ///
    /// # Errors
    /// [`PodError::Request`] if it waits for no answer (any more).
    pub fn confirm(&self, comparison: u64, same: bool) -> Result<(), PodError> {
        let invitation = self.shared.invited();
        let answer = match invitation.as_ref().map(|i| &i.trust) {
            Some(Trust::Person(desk)) => {
                let mut now = desk.now.lock();
                now.as_mut()
                    .filter(|a| a.comparison.id == comparison)
                    .and_then(|a| a.answer.take())
            }
            _ => None,
        };
        let told = answer.is_some_and(|a| a.send(same).is_ok());
        let over = || PodError::Request("this comparison is over: begin with a new code".into());
        told.then_some(()).ok_or_else(over)
    }

    /// Adds a peer that is to keep the pod, and exchanges with it. It is remembered on all devices once it has accepted.
    ///
    /// # Errors
    /// [`PodError::Refused`] if it does not take the pod.
    pub async fn add_peer(
        &self,
        address: &PeerAddress,
        token: Option<&[u8]>,
    ) -> Result<PeerReport, PodError> {
        let first = self.sync_with(address, token).await?;
        tokio::task::block_in_place(|| self.shared.pod.remember_peer(address))?;
        self.use_relays().await?;
        let mut last = self.sync_with(address, None).await?;
        last.received += first.received;
        last.certificates += first.certificates;
        last.bytes_sent += first.bytes_sent;
        last.bytes_received += first.bytes_received;
        if let (Some(last), Some(first)) = (&mut last.datagrams, first.datagrams) {
            *last = (last.0 + first.0, last.1 + first.1);
        }
        last.files.fetched += first.files.fetched;
        last.files.pushed += first.files.pushed;
        Ok(last)
    }

    /// Takes the code back.
    pub fn uninvite(&self) {
        self.shared.replace_invitation(None);
    }

    /// Exchanges with one peer until both have the same.
    ///
    /// # Errors
    /// Those of the connection and of the other side.
    pub async fn sync_with(
        &self,
        address: &PeerAddress,
        token: Option<&[u8]>,
    ) -> Result<PeerReport, PodError> {
        let link = self.node.dial(address, Protocol::Sync).await?;
        self.sync_on(link, address, token).await
    }

    async fn sync_on(
        &self,
        mut link: Link,
        address: &PeerAddress,
        token: Option<&[u8]>,
    ) -> Result<PeerReport, PodError> {
        self.introduce(&mut link, token).await?;
        let key = link.peer();
        let done = self
            .shared
            .exchange(link, Role::Initiator, Until::Equal)
            .await?;
        let mut report = report(key, address.to_string(), Ok(done));
        report.files = self.carry_files(address).await?;
        Ok(report)
    }

    /// Fetches files that are wanted here and gives those that are wanted there.
    pub(crate) async fn carry_files(&self, address: &PeerAddress) -> Result<Carried, PodError> {
        let pod = &self.shared.pod;
        if tokio::task::block_in_place(|| pod.named_files())?.is_empty() {
            return Ok(Carried::default());
        }
        let mut link = self.dial(address, Protocol::Blob, None).await?;
        let side = if pod.is_device(&link.peer()) {
            Side::Device
        } else {
            Side::Sealed
        };
        let carried = files::exchange(pod, &mut link, side).await;
        let _ = link.close().await;
        carried
    }

    /// Exchanges with every known peer once, and with the other devices that are there.
    ///
    /// # Errors
    /// Those of reading the pod; what goes wrong with a peer is in its report.
    pub async fn sync_all(&self) -> Result<Vec<PeerReport>, PodError> {
        let mut out = Vec::new();
        for one in self.shared.pod.acquaintances()? {
            let Ok(address) = one.address.parse() else {
                continue;
            };
            let dial = self.node.dial(&address, Protocol::Sync);
            let link = if one.may_be_away {
                let there = tokio::time::timeout(DIAL_TIME, dial).await;
                let Ok(Ok(link)) = there else {
                    let mut away = report(one.key, one.address, Ok(Exchanged::default()));
                    away.away = true;
                    out.push(away);
                    continue;
                };
                Ok(link)
            } else {
                dial.await.map_err(PodError::from)
            };
            let done = match link {
                Ok(link) => self.sync_on(link, &address, None).await,
                Err(error) => Err(error),
            };
            out.push(match done {
                Ok(report) => report,
                Err(error) => report(one.key, one.address, Err(error)),
            });
        }
        Ok(out)
    }

    pub(crate) async fn dial(
        &self,
        address: &PeerAddress,
        protocol: Protocol,
        token: Option<&[u8]>,
    ) -> Result<Link, PodError> {
        let mut link = self.node.dial(address, protocol).await?;
        self.introduce(&mut link, token).await?;
        Ok(link)
    }

    /// Says to a peer whose device this is.
    async fn introduce(&self, link: &mut Link, token: Option<&[u8]>) -> Result<(), PodError> {
        let (did, log) = self.shared.pod.device_log();
        let asked = hello::ask(link, &did, &log, token).await;
        if let Err(PodError::Refused(_)) = &asked {
            // perhaps this device was taken out and has not heard of it
            let shown = tokio::time::timeout(FAREWELL, hello::shown(link)).await;
            if let Ok(Ok((log, _))) = shown
                && log.did() == did
            {
                let pod = &self.shared.pod;
                tokio::task::block_in_place(|| pod.take_certificates(Certificate::of_log(&log)))?;
            }
        }
        asked
    }

    /// Says goodbye to everybody.
    ///
    /// # Errors
    /// [`PodError::Network`] if a handler does not end in time.
    pub async fn shutdown(self) -> Result<(), PodError> {
        Ok(self.node.shutdown().await?)
    }
}

fn report(key: PublicKey, address: String, done: Result<Exchanged, PodError>) -> PeerReport {
    let (done, error) = match done {
        Ok(done) => (done, None),
        Err(error) => (Exchanged::default(), Some(error.to_string())),
    };
    PeerReport {
        key,
        address,
        received: done.commits,
        certificates: done.certificates,
        equal: done.last.is_some_and(|last| last.equal),
        bytes_sent: done.traffic.sent,
        bytes_received: done.traffic.received,
        datagrams: done.datagrams.map(|d| (d.sent, d.received)),
        files: Carried::default(),
        away: false,
        error,
    }
}

/// Waits for the device that was invited.
pub struct Waiting {
    wait: watch::Receiver<Option<Joined>>,
    until: Instant,
}

impl Waiting {
    /// The device that joined; `None` if the code is no longer good.
    pub async fn joined(&mut self) -> Option<Joined> {
        loop {
            if let Some(joined) = self.wait.borrow_and_update().clone() {
                return Some(joined);
            }
            match tokio::time::timeout_at(self.until, self.wait.changed()).await {
                Ok(Ok(())) => (),
                // the invitation was used up or taken back, or its time is over
                Ok(Err(_)) | Err(_) => return self.wait.borrow().clone(),
            }
        }
    }
}

/// A session, noted as open until dropped.
struct OpenSession<'s> {
    shared: &'s Shared,
    key: PublicKey,
    listener: u64,
}

impl Drop for OpenSession<'_> {
    fn drop(&mut self) {
        let Self {
            shared,
            key,
            listener,
        } = self;
        shared.pod.member().unlisten(*listener);
        let another = shared.reach.lock().get_mut(key).is_some_and(Reach::close);
        shared.note(key, |s| s.connected = another);
    }
}

impl Shared {
    fn invited(&self) -> Option<Arc<Invitation>> {
        let mut invitation = self.invitation.lock();
        let good = |i: &Arc<Invitation>| {
            Instant::now() < i.until && i.attempts.load(Ordering::Relaxed) < PAIRING_ATTEMPTS
        };
        if !invitation.as_ref().is_some_and(good) {
            invitation.take();
        }
        invitation.clone()
    }

    /// The one of before is good no longer, and what is being compared by it is over.
    fn replace_invitation(&self, new: Option<Arc<Invitation>>) {
        let before = std::mem::replace(&mut *self.invitation.lock(), new);
        if let Some(Trust::Person(desk)) = before.as_ref().map(|i| &i.trust) {
            desk.now.lock().take();
        }
    }

    /// Whether it is the one that was made last, and is still good.
    fn is_current(&self, invitation: &Arc<Invitation>) -> bool {
        let now = self.invited();
        now.is_some_and(|i| Arc::ptr_eq(&i, invitation))
    }

    /// Makes it good for nobody. A newer one stays.
    fn retire(&self, invitation: &Arc<Invitation>) {
        let mut now = self.invitation.lock();
        if now.as_ref().is_some_and(|i| Arc::ptr_eq(i, invitation)) {
            now.take();
        }
    }

    pub(crate) fn note(&self, key: &PublicKey, change: impl FnOnce(&mut PeerState)) {
        change(self.states.lock().entry(*key).or_default());
    }

    /// Somebody wants to exchange.
    async fn answer(&self, mut link: Link) {
        let key = link.peer();
        match self.check(&mut link).await {
            // how it ended is in the peer's state
            Ok(true) => drop(self.exchange(link, Role::Responder, Until::Closed).await),
            Ok(false) => drop(link.close().await),
            Err(error) => tracing::debug!(%key, %error, "a peer was not let in"),
        }
    }

    /// Somebody wants files, or brings some.
    async fn answer_files(&self, mut link: Link) {
        let key = link.peer();
        let done = match self.check(&mut link).await {
            Ok(true) => files::answer(&mut link, self.pod.blobs()).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => drop(link.close().await),
            Err(error) => tracing::debug!(%key, %error, "files were not carried"),
        }
    }

    /// Whether it is a device of this pod. One that is not known may show the operation that added it.
    async fn check(&self, link: &mut Link) -> Result<bool, PodError> {
        let no = |why: &str| hello::Answer::No(why.into());
        let did = hello::asked(link).await?;
        if did.to_string() != self.pod.did() {
            hello::reply(link, &no("this pod is not here")).await?;
            return Ok(false);
        }
        let key = link.peer();
        if !self.pod.is_device(&key) {
            hello::reply(link, &hello::Answer::ShowLog).await?;
            let (log, _) = hello::shown(link).await?;
            if log.did() == did {
                tokio::task::block_in_place(|| {
                    self.pod.take_certificates(Certificate::of_log(&log))
                })?;
            }
            if !self.pod.is_device(&key) {
                hello::reply(
                    link,
                    &no("this device is not, or no longer, one of the pod's"),
                )
                .await?;
                if self.pod.trust().set().resolution().was_listed(&key) {
                    // so that it learns who took it out, and stops
                    let (_, log) = self.pod.device_log();
                    hello::show(link, &log, None).await?;
                }
                return Ok(false);
            }
        }
        link.welcome();
        hello::reply(link, &hello::Answer::Ready).await?;
        Ok(true)
    }

    pub(crate) async fn exchange(
        &self,
        link: Link,
        role: Role,
        until: Until,
    ) -> Result<Exchanged, PodError> {
        let key = link.peer();
        self.meters.lock().insert(key, link.meter());
        let store = MemberStore::new(Arc::clone(self.pod.member()));
        let (news, locals) = mpsc::unbounded_channel();
        let reach = Arc::clone(&self.reach);
        let listener = store.listen(move |new, own| match new {
            // it has it now
            News::Commit(name) if own => {
                if let Some(reach) = reach.lock().get_mut(&key) {
                    reach.there(&name.id);
                }
            }
            _ if own => (),
            // a session that is over needs no news
            _ => drop(news.send(new)),
        });
        // also when whoever waits for this gives up
        let _open = OpenSession {
            shared: self,
            key,
            listener,
        };
        let mut session = self.reach.lock().entry(key).or_default().open();
        self.note(&key, |s| {
            s.connected = true;
            s.error = None;
        });
        let mut on = |output: &Output| {
            match output {
                Output::Learned(learned) => {
                    self.note(&key, |s| s.received += learned.commits.len() as u64);
                }
                Output::Delivered(_) => self.note(&key, |s| s.delivered += 1),
                Output::Synced(synced) => self.note(&key, |s| {
                    s.equal = synced.equal || synced.refused + synced.refused_by_peer == 0;
                    s.synced_ms = Some(crate::home::now_ms());
                }),
                Output::Fork(fork) => {
                    tracing::warn!(author = %fork.key, seq = fork.seq, "a chain of commits forks");
                }
                _ => (),
            }
            if let Some(reach) = self.reach.lock().get_mut(&key) {
                reach.hear(&mut session, output);
            }
        };
        let done = drive(link, role, store, locals, until, &Way::default(), &mut on).await;
        if let Err(error) = &done {
            self.note(&key, |s| s.error = Some(error.to_string()));
        }
        done
    }

    /// Somebody has a pairing code, perhaps.
    async fn receive_device(&self, mut link: Link) {
        let Some(invitation) = self.invited() else {
            return;
        };
        // kept until all is noted: the next one finds it so
        let mut turn = None;
        match self.pair(&mut link, &invitation, &mut turn).await {
            Ok(joined) => {
                // first who, then that nobody is expected any more: whoever asks in between must not hear that nobody came
                *self.last_joined.lock() = Some(joined.clone());
                self.retire(&invitation);
                invitation.joined.send_replace(Some(joined));
                drop(link.close().await);
            }
            Err(error) => {
                if matches!(error, PodError::NotConfirmed) {
                    // whoever said it knows, and so does who was told
                    tracing::debug!(%error, "pairing failed");
                } else {
                    tracing::warn!(%error, "pairing failed");
                }
                match &invitation.trust {
                    Trust::Person(desk) => {
                        // who was not compared has used up nothing
                        if turn.is_some() {
                            invitation.attempts.fetch_add(1, Ordering::Relaxed);
                            if matches!(error, PodError::NotConfirmed) {
                                desk.refused.store(true, Ordering::Release);
                            }
                            desk.now.lock().take();
                        }
                    }
                    Trust::Secret(_) => {
                        invitation.attempts.fetch_add(1, Ordering::Relaxed);
                    }
                }
                if invitation.used.load(Ordering::Relaxed) {
                    self.retire(&invitation);
                }
                drop(turn);
                // why not is heard before the end
                drop(link.close().await);
            }
        }
    }

    /// Both devices show the same pictures, and both people say so.
    async fn compare<'i>(
        &self,
        link: &mut Link,
        own: &PublicKey,
        invitation: &'i Arc<Invitation>,
        desk: &'i Desk,
        turn: &mut Option<tokio::sync::MutexGuard<'i, ()>>,
    ) -> Result<Newcomer, PodError> {
        let hearing = pairing::hear(link, invitation.role);
        let over = |_| PodError::Refused("the two minutes are over".into());
        let comparing = tokio::time::timeout_at(invitation.until, hearing)
            .await
            .map_err(over)??;
        let Ok(mine) = desk.turn.try_lock() else {
            return Err(pairing::busy(link).await);
        };
        if !self.is_current(invitation) {
            return Err(PodError::Refused("the code is no longer good".into()));
        }
        *turn = Some(mine);
        let mut nonce = [0; 32];
        random_bytes()?(&mut nonce);
        let emoji = pairing::reveal(link, own, &comparing, nonce).await?;
        let (answer, person) = oneshot::channel();
        let comparison = Comparison {
            id: self.comparisons.fetch_add(1, Ordering::Relaxed),
            name: comparing.newcomer.name.clone(),
            emoji,
        };
        *desk.now.lock() = Some(Asked {
            comparison,
            answer: Some(answer),
        });
        if !self.is_current(invitation) {
            // taken back before there was anything to end
            desk.now.lock().take();
        }
        let person = async { person.await.unwrap_or(false) };
        pairing::agree(link, person, invitation.until).await?;
        Ok(comparing.newcomer)
    }

    async fn pair<'i>(
        &self,
        link: &mut Link,
        invitation: &'i Arc<Invitation>,
        turn: &mut Option<tokio::sync::MutexGuard<'i, ()>>,
    ) -> Result<Joined, PodError> {
        let key = self.pod.signing_key();
        let own = key.public();
        let newcomer = match &invitation.trust {
            Trust::Secret(secret) => pairing::greet(link, &own, secret, invitation.role).await?,
            Trust::Person(desk) => self.compare(link, &own, invitation, desk, turn).await?,
        };
        let joined = Joined {
            key: newcomer.device.key,
            name: newcomer.name.clone(),
        };
        let (_, log) = self.pod.device_log();
        let mut proposal = log.add_device(&own, newcomer.device)?;
        proposal.sign(&key)?;
        let complete = |all: Proposal| -> Result<Operation, PodError> {
            let operation = all.complete()?;
            // a code is good for one device, however many come at once
            if !self.is_current(invitation) || invitation.used.swap(true, Ordering::Relaxed) {
                return Err(PodError::Refused("the code has been used".into()));
            }
            let certificate = Certificate::Operation(Box::new(operation.clone()));
            tokio::task::block_in_place(|| {
                for result in self.pod.take_certificates(vec![certificate])? {
                    result?;
                }
                self.pod.name_device(&joined.key, &joined.name)
            })?;
            Ok(operation)
        };
        pairing::admit(link, &log, &proposal, complete).await?;
        Ok(joined)
    }
}
