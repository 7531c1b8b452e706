//! A pod on the network: its other devices come to it, and it goes to them and to the peers that keep it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use axum::routing::MethodRouter;
use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use rhizome_identity::Did;
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
use tokio::sync::{Semaphore, mpsc};

use crate::{
    Grant, Pod, PodError, erasures,
    files::{self, Carried, Side},
    invitation::Invitations,
    reach::Reach,
    sync::{Exchanged, Until, Way, drive, hello},
    touch::DIAL_TIME,
    views::Entered,
};

/// Links of those who follow public views of this pod: each has peers for that.
const FOLLOWERS: usize = 512;
/// How long a peer that refuses may take to say why.
pub(crate) const FAREWELL: Duration = Duration::from_secs(3);
/// Exchanges that follow the first because of what came with the one before.
const MORE_ROUNDS: usize = 3;
/// Under which name devices look for each other on a local network.
const LOCAL_SERVICE: &str = "rhizome";
/// An open pod that can be reached, and reaches others. To be ended with [`PodNode::shutdown`].
pub struct PodNode {
    shared: Arc<Shared>,
    node: Node,
    /// Those in use.
    relays: Mutex<BTreeSet<String>>,
}

pub(crate) struct Shared {
    pub(crate) pod: Arc<Pod>,
    pub(crate) invitations: Invitations,
    /// What is known of each peer.
    states: Mutex<BTreeMap<PublicKey, PeerState>>,
    /// How much has gone over the session that was begun last with each.
    meters: Mutex<BTreeMap<PublicKey, Meter>>,
    /// What each of them is known to have.
    reach: Arc<Mutex<BTreeMap<PublicKey, Reach>>>,
    /// The listener that tells `reach` what is new.
    watch: u64,
    /// Places for those who follow public views.
    pub(crate) followers: Arc<Semaphore>,
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

/// What came of an exchange with one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerReport {
    /// The view that was exchanged; `None` for the pod itself.
    pub pod: Option<Did>,
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
    /// Bytes that it has less since it was told what is erased.
    pub erased: u64,
    /// Messages that were collected there and are new.
    pub messages: u64,
    /// A device that is not there at the moment; nothing was tried.
    pub away: bool,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl PeerReport {
    /// Another exchange with the same peer, after this one.
    pub(crate) fn add(&mut self, next: Self) {
        let before = std::mem::replace(self, next);
        self.received += before.received;
        self.certificates += before.certificates;
        self.bytes_sent += before.bytes_sent;
        self.bytes_received += before.bytes_received;
        if let (Some(last), Some(first)) = (&mut self.datagrams, before.datagrams) {
            *last = (last.0 + first.0, last.1 + first.1);
        }
        self.files.fetched += before.files.fetched;
        self.files.pushed += before.files.pushed;
        self.erased += before.erased;
        self.messages += before.messages;
    }

    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "pod": self.pod.map(|did| did.to_string()),
            "key": self.key.to_did_key(),
            "address": self.address,
            "received": self.received,
            "certificates": self.certificates,
            "equal": self.equal,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "datagram_bytes_sent": self.datagrams.map(|d| d.0),
            "datagram_bytes_received": self.datagrams.map(|d| d.1),
            "erased_bytes": self.erased,
            "messages": self.messages,
            "files": {
                "fetched": self.files.fetched,
                "pushed": self.files.pushed,
                "missing": self.files.missing,
                "failed": self.files.failed,
                "full": self.files.full,
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
            invitations: Invitations::default(),
            states: Mutex::default(),
            meters: Mutex::default(),
            reach,
            watch,
            followers: Arc::new(Semaphore::new(FOLLOWERS)),
            pod,
        });
        let admit = {
            let shared = Arc::clone(&shared);
            move |protocol, _: &PublicKey| match protocol {
                Protocol::Pair if !shared.invitations.is_open() => {
                    Admission::Reject("no device is expected here now".into())
                }
                _ => Admission::Admit,
            }
        };
        let [syncs, files, pairs, messages] = std::array::from_fn(|_| Arc::clone(&shared));
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
                async move { shared.invitations.receive(&shared.pod, link).await }
            })
            .serve(Protocol::Inbox, move |link| {
                let shared = Arc::clone(&messages);
                async move { shared.answer_inbox(link).await }
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

    /// Adds a peer that is to keep the pod, and exchanges with it. It is remembered on all devices once it has accepted.
    ///
    /// # Errors
    /// [`PodError::Refused`] if it does not take the pod.
    pub async fn add_peer(
        &self,
        address: &PeerAddress,
        grant: Option<&Grant>,
    ) -> Result<PeerReport, PodError> {
        let first = self.sync_with(address, grant).await?;
        tokio::task::block_in_place(|| self.shared.pod.remember_peer(address))?;
        self.use_relays().await?;
        let mut both = first;
        both.add(self.sync_with(address, None).await?);
        Ok(both)
    }

    /// Exchanges with one peer until both have the same.
    ///
    /// # Errors
    /// Those of the connection and of the other side.
    pub async fn sync_with(
        &self,
        address: &PeerAddress,
        grant: Option<&Grant>,
    ) -> Result<PeerReport, PodError> {
        let link = self.node.dial(address, Protocol::Sync).await?;
        self.sync_on(link, address, grant).await
    }

    async fn sync_on(
        &self,
        mut link: Link,
        address: &PeerAddress,
        grant: Option<&Grant>,
    ) -> Result<PeerReport, PodError> {
        self.introduce(&mut link, grant).await?;
        let key = link.peer();
        let done = self
            .shared
            .exchange(link, Role::Initiator, Until::Equal)
            .await?;
        let mut report = report(key, address.to_string(), Ok(done));
        report.files = self.carry_files(address).await?;
        if report.equal {
            report.erased = self.tell_erasures(address).await?;
        }
        report.messages = self.look_for_messages(address).await;
        Ok(report)
    }

    /// Fetches files that are wanted here and gives those that are wanted there.
    pub(crate) async fn carry_files(&self, address: &PeerAddress) -> Result<Carried, PodError> {
        let pod = &self.shared.pod;
        if tokio::task::block_in_place(|| files::named(pod.replica()))?.is_empty() {
            return Ok(Carried::default());
        }
        let mut link = self.dial(address, Protocol::Blob, None).await?;
        let side = if pod.is_device(&link.peer()) {
            Side::Device
        } else {
            Side::Sealed
        };
        let carried = files::exchange(pod.member(), pod.blobs(), &mut link, side).await;
        let _ = link.close().await;
        carried
    }

    /// Tells a peer without keys what is erased, if it was not told yet: it has the same commits. How many bytes less it has.
    pub(crate) async fn tell_erasures(&self, address: &PeerAddress) -> Result<u64, PodError> {
        let (pod, key) = (&self.shared.pod, address.key());
        if pod.is_device(&key) {
            return Ok(0);
        }
        let Some(erasures) = tokio::task::block_in_place(|| pod.member().erasures_for(&key))?
        else {
            return Ok(0);
        };
        let mut link = self.dial(address, Protocol::Erase, None).await?;
        let less = erasures::tell(&mut link, &erasures.leaves).await?;
        let _ = link.close().await;
        pod.member().told(&key, &erasures)?;
        Ok(less)
    }

    /// Exchanges with every known peer once, and with the other devices that are there: the pod first, then every view that something is
    /// new of. Then the views that are kept elsewhere.
    ///
    /// # Errors
    /// Those of reading the pod; what goes wrong with a peer is in its report.
    pub async fn sync_all(&self) -> Result<Vec<PeerReport>, PodError> {
        let pod = Arc::clone(&self.shared.pod);
        tokio::task::block_in_place(|| pod.tend_views(None))?;
        let mut out = self.sync_round(&BTreeSet::new()).await?;
        let away: BTreeSet<PublicKey> = out.iter().filter(|r| r.away).map(|r| r.key).collect();
        for _ in 0..MORE_ROUNDS {
            let found = self.find_views().await?;
            self.tell_outside().await?;
            let (taken, busy) = tokio::task::block_in_place(|| pod.take_all_keys())?;
            let moved = self.follow_moves().await? + self.ask_again().await?;
            let tended = tokio::task::block_in_place(|| pod.tend_views(None))?;
            if found + taken + moved == 0 && !busy && tended.is_empty() {
                break;
            }
            // views are here that were not, or what guests said was decided about: both the pod and its views say something new
            for report in self.sync_round(&away).await? {
                let said = |r: &&mut PeerReport| (r.key, r.pod) == (report.key, report.pod);
                match out.iter_mut().find(said) {
                    Some(before) => before.add(report),
                    None => out.push(report),
                }
            }
        }
        Ok(out)
    }

    /// Which of those who may be away do not answer, besides those who are known to be. All are asked at once: for who is away one waits for nothing.
    async fn absent(&self, away: &BTreeSet<PublicKey>) -> Result<BTreeSet<PublicKey>, PodError> {
        let mut some = self.shared.pod.acquaintances()?;
        some.retain(|one| one.may_be_away && !away.contains(&one.key));
        if some.len() < 2 {
            return Ok(BTreeSet::new());
        }
        let mut asked: FuturesUnordered<_> = some
            .into_iter()
            .map(|one| async move {
                let address = one.address.parse().ok()?;
                let dial = self.node.dial(&address, Protocol::Sync);
                let there = tokio::time::timeout(DIAL_TIME, dial).await;
                let Ok(Ok(link)) = there else {
                    return Some(one.key);
                };
                let _ = link.close().await;
                None
            })
            .collect();
        let mut out = BTreeSet::new();
        while let Some(absent) = asked.next().await {
            out.extend(absent);
        }
        Ok(out)
    }

    /// One exchange with everybody but those who are known to be away.
    async fn sync_round(&self, away: &BTreeSet<PublicKey>) -> Result<Vec<PeerReport>, PodError> {
        let mut out = Vec::new();
        let mut known = BTreeSet::new();
        let absent = self.absent(away).await?;
        for one in self.shared.pod.acquaintances()? {
            known.insert(one.key);
            if away.contains(&one.key) {
                continue;
            }
            let Ok(address) = one.address.parse() else {
                continue;
            };
            let dial = self.node.dial(&address, Protocol::Sync);
            let link = if one.may_be_away {
                let there = async {
                    if absent.contains(&one.key) {
                        return None;
                    }
                    let there = tokio::time::timeout(DIAL_TIME, dial).await;
                    there.ok()?.ok()
                };
                let Some(link) = there.await else {
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
            let failed = done.is_err();
            out.push(match done {
                Ok(report) => report,
                Err(error) => report(one.key, one.address, Err(error)),
            });
            if !failed {
                if tokio::task::block_in_place(|| self.shared.pod.has_other_keys())? {
                    self.find_views().await?;
                }
                let views = tokio::task::block_in_place(|| self.views_at(&one.key))?;
                let is_device = one.may_be_away;
                out.extend(self.sync_views_with(&address, &views, is_device).await);
            }
        }
        out.extend(self.sync_other_places(&known).await?);
        Ok(out)
    }

    /// A link to somebody who does not know yet what for.
    pub(crate) async fn link(
        &self,
        address: &PeerAddress,
        protocol: Protocol,
    ) -> Result<Link, PodError> {
        Ok(self.node.dial(address, protocol).await?)
    }

    pub(crate) async fn dial(
        &self,
        address: &PeerAddress,
        protocol: Protocol,
        grant: Option<&Grant>,
    ) -> Result<Link, PodError> {
        let mut link = self.node.dial(address, protocol).await?;
        self.introduce(&mut link, grant).await?;
        Ok(link)
    }

    /// Says to a peer whose device this is.
    async fn introduce(&self, link: &mut Link, grant: Option<&Grant>) -> Result<(), PodError> {
        let (did, log) = self.shared.pod.device_log();
        let token = match grant {
            Some(grant) => Some(grant.invoke(&self.shared.pod.signing_key(), &did)?),
            None => None,
        };
        let asked = hello::ask(link, &did, &log, token.as_deref()).await;
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

pub(crate) fn report(
    key: PublicKey,
    address: String,
    done: Result<Exchanged, PodError>,
) -> PeerReport {
    let (done, error) = match done {
        Ok(done) => (done, None),
        Err(error) => (Exchanged::default(), Some(error.to_string())),
    };
    PeerReport {
        pod: None,
        key,
        address,
        received: done.commits,
        certificates: done.certificates,
        equal: done.last.is_some_and(|last| last.equal),
        bytes_sent: done.traffic.sent,
        bytes_received: done.traffic.received,
        datagrams: done.datagrams.map(|d| (d.sent, d.received)),
        files: Carried::default(),
        erased: 0,
        messages: 0,
        away: false,
        error,
    }
}

/// What somebody is let in for.
enum For {
    Pod,
    View(Entered),
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
    pub(crate) fn note(&self, key: &PublicKey, change: impl FnOnce(&mut PeerState)) {
        change(self.states.lock().entry(*key).or_default());
    }

    /// Somebody wants to exchange.
    async fn answer(&self, mut link: Link) {
        let key = link.peer();
        let asked = match hello::asked(&mut link).await {
            Ok(asked) => asked,
            Err(error) => {
                tracing::debug!(%key, %error, "a peer said nothing clear");
                return;
            }
        };
        let done = match asked {
            hello::Asked::Watch(views, last) => self.tell_news(&mut link, (views, last)).await,
            hello::Asked::Log(acting) => self.give_log(&mut link, &acting).await,
            hello::Asked::Public(did) => self.tell_public(&mut link, &did).await,
            asked => match self.check(&mut link, asked).await {
                Ok(Some(For::Pod)) => {
                    // how it ended is in the peer's state
                    drop(self.exchange(link, Role::Responder, Until::Closed).await);
                    return;
                }
                Ok(Some(For::View(entered))) => {
                    self.answer_view(&entered, link).await;
                    return;
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            },
        };
        match done {
            Ok(()) => drop(link.close().await),
            Err(error) => tracing::debug!(%key, %error, "a peer was not let in"),
        }
    }

    /// Somebody wants files, or brings some.
    async fn answer_files(&self, mut link: Link) {
        let key = link.peer();
        let let_in = match hello::asked(&mut link).await {
            Ok(asked) => self.check(&mut link, asked).await,
            Err(error) => Err(error),
        };
        let done = match let_in {
            Ok(Some(For::Pod)) => files::answer(&mut link, self.pod.blobs()).await,
            Ok(Some(For::View(entered))) => {
                let blobs = self.pod.blobs();
                match entered.member() {
                    Ok(member) => {
                        let guest = files::Guest {
                            // he may be taken out while the link is open
                            admits: &|| entered.admits(),
                            follows: entered.follows(),
                        };
                        let view = entered.view();
                        files::answer_named(&mut link, blobs, view, member, guest).await
                    }
                    Err(error) => Err(error),
                }
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => drop(link.close().await),
            Err(error) => tracing::debug!(%key, %error, "files were not carried"),
        }
    }

    /// What somebody is let in for, if he is.
    async fn check(&self, link: &mut Link, asked: hello::Asked) -> Result<Option<For>, PodError> {
        match asked {
            hello::Asked::Pod(did) => {
                let is_device = self.check_device(link, did).await?;
                Ok(is_device.then_some(For::Pod))
            }
            hello::Asked::View(acting, _) => {
                let entered = self.enter_view(link, &acting).await?;
                Ok(entered.map(For::View))
            }
            _ => Err(hello::unclear()),
        }
    }

    /// Whether it is a device of this pod. One that is not known may show the operation that added it.
    async fn check_device(&self, link: &mut Link, did: Did) -> Result<bool, PodError> {
        let no = |why: &str| hello::Answer::No(why.into());
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
}
