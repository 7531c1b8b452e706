//! A cloud peer: always on, keeps the pods of many people, and can read none of them.

mod control;
pub(crate) mod found;
mod held;
mod inbox;
mod invitations;
mod keep;
mod pace;
mod relay;
mod serve;
mod turns;
mod watchers;

pub use control::CloudDesk;
pub use invitations::{Invitation, Invite};
pub use keep::{Kept, KeptView};
pub(crate) use turns::{AT_WORK, Turn};

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use rhizome_blob::SealedStore;
use rhizome_identity::Did;
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_network::{
    Admission, NetworkError, Node, NodeConfig, Protocol, Relay, RelayAccess, Services,
    websocket::WebSocketConfig,
};
use rhizome_sealed::Sealed;
use tokio::{sync::Semaphore, task::block_in_place};

use self::{
    held::{Hold, Released},
    inbox::Inboxes,
    invitations::Invitations,
    pace::Pace,
    turns::Turns,
    watchers::Watchers,
};
use crate::{
    Grant, Opening, PodError, PodHome,
    home::{make_private, now_ms},
    lock::WriterLock,
};

/// Bytes that one pod may take, unless its invitation says otherwise.
pub const DEFAULT_QUOTA: u64 = 10 << 30;
/// Links that are open at a time: pods whose devices are connected, and what else they do.
const LINKS: usize = 1 << 15;
/// Of those, from one device.
const LINKS_OF_ONE: usize = 16;
/// Of those, from somebody who has not yet said what for he came, or not yet shown that it is his.
const STRANGERS: usize = 512;
/// Of all, from those who follow public views.
const FOLLOWERS: usize = LINKS / 2;
/// How long he has for it.
const HELLO_WAIT: Duration = Duration::from_secs(15);

/// How a cloud peer is run.
#[derive(Clone, Debug)]
pub struct CloudOptions {
    /// Where to be reached.
    pub listen: Vec<SocketAddr>,
    /// Bytes that a pod may take, if its invitation does not say otherwise.
    pub quota: u64,
    /// Where to relay between devices of the pods that are kept, if at all: plain HTTP, which belongs behind a server that speaks TLS.
    pub relay: Option<SocketAddr>,
    /// The URL by which devices reach the relay, if it is not that of its address.
    pub relay_url: Option<String>,
    /// Where to listen for WebSockets besides, for devices whose network lets no UDP through.
    pub websocket: Option<WebSocketConfig>,
}

impl CloudOptions {
    /// At these addresses, with the usual quota, without a relay and WebSockets.
    pub fn at(listen: Vec<SocketAddr>) -> Self {
        Self {
            listen,
            quota: DEFAULT_QUOTA,
            relay: None,
            relay_url: None,
            websocket: None,
        }
    }
}

/// An open cloud peer:
///
/// ```text
/// keys/          its key (mode 0700)
/// sealed.redb    commits and certificates of all pods
/// inbox.redb     messages that wait for them, sealed
/// blobs/         files of all pods, sealed
/// grants         who may have a pod kept (mode 0600)
/// standing       the standing invitation (mode 0600)
/// running.json   how the person who runs it talks to it (mode 0600)
/// writer.lock    held by the one process that runs
/// ```
pub struct CloudPeer {
    shared: Arc<Shared>,
    node: Node,
    relay: Option<Arc<Relay>>,
    /// The standing invitation.
    standing: Option<Grant>,
    desk: control::Open,
    _lock: WriterLock,
}

struct Shared {
    /// Its own key, while it runs.
    key: Option<Arc<SigningKey>>,
    sealed: Sealed,
    /// Messages that wait for the pods.
    inboxes: Inboxes,
    invitations: Invitations,
    /// Of a pod whose invitation names none.
    quota: u64,
    /// Files of all pods, a directory each.
    blobs: PathBuf,
    /// Those in use.
    open: Mutex<BTreeMap<Did, Weak<SealedStore>>>,
    turns: Arc<Turns>,
    pace: Pace,
    watchers: Arc<Watchers>,
    /// Places for those who have not yet said what for they came.
    strangers: Semaphore,
    /// Places for those who follow public views.
    followers: Arc<Semaphore>,
    relay: OnceLock<Weak<Relay>>,
    /// Tells when the stores are closed.
    released: Mutex<Option<Released>>,
    // last: what is declared first is dropped first
    _hold: Hold,
}

/// How long those may take to let go of the stores who worked with them when the peer was shut down.
const LETTING_GO: Duration = Duration::from_secs(10);

fn now() -> u64 {
    now_ms().max(0) as u64
}

impl CloudPeer {
    /// Starts one in `directory`, made there if there is none.
    ///
    /// # Errors
    /// [`PodError::InUse`], those of the key store, the store and the network.
    pub async fn start(
        directory: &Path,
        opening: &Opening,
        options: CloudOptions,
    ) -> Result<Self, PodError> {
        make_private(directory)?;
        let lock = WriterLock::take(&directory.join("writer.lock"), &opening.what, now_ms())?;
        let keys = opening.keys(&directory.join("keys"))?;
        if keys.genesis().is_some() {
            return Err(PodError::Request(format!(
                "{} is the home of a pod: give the cloud peer a directory of its own",
                directory.display()
            )));
        }
        let mut shared = block_in_place(|| Shared::open(directory, options.quota))?;
        let key = Arc::new(keys.device());
        shared.key = Some(Arc::clone(&key));
        let standing = shared.standing(&directory.join("standing"), &key)?;
        let shared = Arc::new(shared);
        let [syncs, files, finds, erasures, inboxes] = std::array::from_fn(|_| Arc::clone(&shared));
        let services = Services::builder(Arc::clone(&key), |_, _: &PublicKey| Admission::Admit)
            .serve(Protocol::Sync, move |link| {
                let shared = Arc::clone(&syncs);
                async move {
                    let key = link.peer();
                    if let Err(error) = shared.answer(link).await {
                        tracing::debug!(%key, %error, "a session ended");
                    }
                }
            })
            .serve(Protocol::Blob, move |link| {
                let shared = Arc::clone(&files);
                async move {
                    if let Err(error) = shared.answer_files(link).await {
                        tracing::debug!(%error, "files were not carried");
                    }
                }
            })
            .serve(Protocol::Erase, move |link| {
                let shared = Arc::clone(&erasures);
                async move {
                    if let Err(error) = shared.answer_erasures(link).await {
                        tracing::debug!(%error, "what is erased was not heard");
                    }
                }
            })
            .serve(Protocol::Inbox, move |link| {
                let shared = Arc::clone(&inboxes);
                async move {
                    if let Err(error) = shared.answer_inbox(link).await {
                        tracing::debug!(%error, "a message was not left, or not collected");
                    }
                }
            })
            .serve(Protocol::Rpc, move |link| {
                let shared = Arc::clone(&finds);
                async move {
                    if let Err(error) = shared.find(link).await {
                        tracing::debug!(%error, "a search ended");
                    }
                }
            })
            .limits(rhizome_network::Limits {
                links: LINKS,
                per_peer: LINKS_OF_ONE,
                ..rhizome_network::Limits::default()
            })
            .build();
        let own = key.public();
        let relay = match options.relay {
            Some(address) => Some(Arc::new(shared.relay(address, own).await?)),
            None => None,
        };
        let url = relay.as_ref().map(|relay| {
            let _ = shared.relay.set(Arc::downgrade(relay));
            options.relay_url.unwrap_or_else(|| relay.url())
        });
        let access = url.map(|url| RelayAccess { url, token: None });
        let config = NodeConfig {
            bind: options.listen,
            relays: access.into_iter().collect(),
            websocket: options.websocket,
            ..NodeConfig::default()
        };
        let node = Node::start(services, config).await?;
        let home = PodHome::at(directory);
        let address = node.address()?.to_string();
        let desk = control::open(Arc::clone(&shared), address, &home).await?;
        Ok(Self {
            shared,
            node,
            relay,
            standing,
            desk,
            _lock: lock,
        })
    }

    /// Where it is, with the standing invitation unless that was revoked: to be given to those who may have a pod kept.
    ///
    /// # Errors
    /// [`PodError::Network`].
    pub fn invitation(&self) -> Result<String, PodError> {
        let address = self.node.address()?;
        Ok(match &self.standing {
            Some(grant) => format!("{address}.{grant}"),
            None => address.to_string(),
        })
    }

    /// The pods it keeps, and what each takes.
    ///
    /// # Errors
    /// Those of the store.
    pub fn pods(&self) -> Result<Vec<Kept>, PodError> {
        self.shared.kept()
    }

    /// Reads and verifies everything that it keeps of a pod, files included. What is wrong; nothing if all is well.
    ///
    /// # Errors
    /// Those of the store; [`PodError::Request`] if it keeps no such pod.
    pub fn verify(&self, did: &Did) -> Result<Vec<String>, PodError> {
        let kept = self.shared.sealed.pod(did)?;
        let pod = kept.ok_or_else(|| PodError::Request(format!("{did} is not kept here")))?;
        let mut findings = pod.audit()?.findings;
        let files = self.shared.files(did, pod.usage().quota)?;
        let found = files
            .store()
            .verify_all(|_| std::ops::ControlFlow::Continue(()))?;
        let damaged = found.damaged.into_iter();
        findings.extend(damaged.map(|(cid, error)| format!("file {cid}: {error}")));
        Ok(findings)
    }

    /// Says goodbye to everybody. The stores are closed when it returns.
    ///
    /// # Errors
    /// [`PodError::Network`] if a session does not end in time.
    pub async fn shutdown(self) -> Result<(), PodError> {
        self.desk.close().await;
        let ended = self.node.shutdown().await;
        let relayed = match self.relay.and_then(Arc::into_inner) {
            Some(relay) => relay.shutdown().await,
            None => Ok(()),
        };
        let released = self.shared.released.lock().take();
        drop(self.shared);
        // a connection that has ended holds them for a moment longer
        let closed = match released {
            Some(released) => tokio::time::timeout(LETTING_GO, released.wait()).await,
            None => Ok(()),
        };
        ended.and(relayed)?;
        Ok(closed.map_err(|_| NetworkError::Timeout {
            what: "letting go of the stores",
            limit: LETTING_GO,
        })?)
    }
}
