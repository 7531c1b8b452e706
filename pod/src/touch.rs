//! Keeping in touch: which peers and devices there are to go to, when, and what of files is left to carry.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rhizome_ipld::PublicKey;
use rhizome_network::{Mode, PeerAddress, Protocol, Reconnect};
use rhizome_sync::Role;
use tokio::{task::JoinHandle, time::Instant};

use crate::{PeerState, Pod, PodError, PodNode, home::random_bytes, sync::Until};

/// How often it is looked whether somebody is to be dialled: every look is a wake.
pub(crate) const fn step(mode: Mode) -> Duration {
    match mode {
        Mode::Normal => Duration::from_millis(500),
        Mode::Metered => Duration::from_secs(2),
        Mode::Battery => Duration::from_secs(10),
    }
}
/// How often a peer is asked for messages while the two are connected.
const fn message_wait(mode: Mode) -> Duration {
    match mode {
        Mode::Normal => Duration::from_mins(1),
        Mode::Metered => Duration::from_mins(10),
        Mode::Battery => Duration::from_mins(30),
    }
}
/// How long a device that may be off is waited for.
pub(crate) const DIAL_TIME: Duration = Duration::from_secs(5);

/// Somebody to go to.
pub(crate) struct Acquaintance {
    pub key: PublicKey,
    pub address: String,
    /// It may well be off, and that is no fault: a device of the person, not a peer that keeps the pod.
    pub may_be_away: bool,
}

impl Pod {
    /// The peers that keep the pod, and the other devices that have said where they are.
    pub(crate) fn acquaintances(&self) -> Result<Vec<Acquaintance>, PodError> {
        let peers = self.peers()?.into_iter().map(|peer| Acquaintance {
            key: peer.key,
            address: peer.address,
            may_be_away: false,
        });
        let mut out: Vec<_> = peers.collect();
        let own = self.signing_key().public();
        let devices = {
            let trust = self.trust();
            let devices = trust.set().resolution().devices.iter();
            devices.map(|a| a.device.key).collect::<Vec<_>>()
        };
        for key in devices {
            if key != own
                && !out.iter().any(|a| a.key == key)
                && let Some(address) = self.device_address(&key)
            {
                out.push(Acquaintance {
                    key,
                    address,
                    may_be_away: true,
                });
            }
        }
        Ok(out)
    }
}

/// What is known of one of them while this node runs.
struct Contact {
    reconnect: Reconnect,
    /// Up to which commit its files have been looked at.
    carried: Option<u32>,
    /// When it was last asked for messages.
    collected: Option<Instant>,
    session: Option<JoinHandle<()>>,
}

impl PodNode {
    /// As [`Self::start`]; a port 0 means the one that the other devices were told last, if it is free.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn resume(pod: Arc<Pod>, at: &[SocketAddr]) -> Result<Self, PodError> {
        let own = pod.signing_key().public();
        let last = pod.device_address(&own);
        let last = last.and_then(|a| a.parse::<PeerAddress>().ok());
        let port = last.and_then(|a| a.sockets().first().map(SocketAddr::port));
        if let Some(port) = port {
            let again = at.iter().map(|at| match at.port() {
                0 => SocketAddr::new(at.ip(), port),
                _ => *at,
            });
            if let Ok(node) = Self::start(Arc::clone(&pod), again.collect()).await {
                return Ok(node);
            }
        }
        Self::start(pod, at.to_vec()).await
    }

    /// Keeps in touch with every known peer and device until dropped: dials again when a connection ends, after a wait that grows with
    /// every failure. The same for the views of the home, wherever they are kept. Tells the other devices where this one is.
    pub async fn keep_in_touch(&self, mode: Mode) {
        tokio::join!(
            self.keep_pod_in_touch(mode),
            self.keep_views_in_touch(mode),
            self.keep_shares(),
        );
    }

    async fn keep_pod_in_touch(&self, mode: Mode) {
        let start = Instant::now();
        let now = || start.elapsed().as_millis() as u64;
        let mut contacts: BTreeMap<PublicKey, Contact> = BTreeMap::new();
        loop {
            let alone = self.pod().trust().set().resolution().devices.len() < 2;
            if !alone && let Err(error) = tokio::task::block_in_place(|| self.announce()) {
                tracing::debug!(%error, "the other devices cannot be told where this one is");
            }
            if let Err(error) = self.use_relays().await {
                tracing::warn!(%error, "a relay is not used");
            }
            let all = self.pod().acquaintances().unwrap_or_default();
            contacts.retain(|key, _| all.iter().any(|a| a.key == *key));
            let states = self.peers();
            let mut due = Vec::new();
            for one in &all {
                let contact = contacts.entry(one.key).or_insert_with(|| Contact {
                    reconnect: Reconnect::new(mode, now()),
                    carried: None,
                    collected: None,
                    session: None,
                });
                if contact
                    .session
                    .as_ref()
                    .is_some_and(JoinHandle::is_finished)
                {
                    contact.session = None;
                }
                let connected = states.get(&one.key).is_some_and(|s| s.connected);
                match (
                    connected || contact.session.is_some(),
                    contact.reconnect.due(),
                ) {
                    // it came to us
                    (true, Some(_)) => contact.reconnect.connected(now()),
                    (false, None) => contact.reconnect.failed(now(), chance()),
                    (false, Some(at)) if at <= now() => {
                        if let Ok(address) = one.address.parse::<PeerAddress>() {
                            contact.reconnect.dialling(now());
                            due.push((one.key, address));
                        }
                    }
                    (true, None) | (false, Some(_)) => (),
                }
            }
            self.dial_all(due, &mut contacts, now).await;
            for one in &all {
                if let Some(contact) = contacts.get_mut(&one.key) {
                    self.bring_files(&one.address, states.get(&one.key), contact)
                        .await;
                    self.ask_for_messages(one, states.get(&one.key), contact, mode)
                        .await;
                }
            }
            tokio::time::sleep(step(mode)).await;
        }
    }

    async fn dial_all(
        &self,
        due: Vec<(PublicKey, PeerAddress)>,
        contacts: &mut BTreeMap<PublicKey, Contact>,
        now: impl Fn() -> u64,
    ) {
        let dials = due.into_iter().map(|(key, address)| async move {
            let dial = self.dial(&address, Protocol::Sync, None);
            let link = match tokio::time::timeout(DIAL_TIME, dial).await {
                Ok(link) => link,
                Err(_) => Err(PodError::Peer("nobody answers there".into())),
            };
            (key, link)
        });
        for (key, link) in join_all(dials).await {
            let Some(contact) = contacts.get_mut(&key) else {
                continue;
            };
            match link {
                Ok(link) => {
                    contact.reconnect.connected(now());
                    let shared = Arc::clone(self.shared());
                    contact.session = Some(tokio::spawn(async move {
                        // how it ended is in the peer's state
                        let _ = shared.exchange(link, Role::Initiator, Until::Closed).await;
                    }));
                }
                Err(error) => {
                    contact.reconnect.failed(now(), chance());
                    self.shared()
                        .note(&key, |s| s.error = Some(error.to_string()));
                }
            }
        }
    }

    async fn bring_files(&self, address: &str, state: Option<&PeerState>, contact: &mut Contact) {
        let count = self.pod().replica().snapshot().commit_count();
        let is_equal = state.is_some_and(|s| s.connected && s.equal);
        let Ok(address) = address.parse::<PeerAddress>() else {
            return;
        };
        if !is_equal || contact.carried == Some(count) {
            return;
        }
        if let Err(error) = self.tell_erasures(&address).await {
            tracing::debug!(key = %address.key(), %error, "was not told what is erased");
            return;
        }
        match self.carry_files(&address).await {
            // what is not there yet may be on its way there
            Ok(c) if c.missing + c.failed == 0 => contact.carried = Some(count),
            Ok(_) => (),
            Err(error) => tracing::debug!(key = %address.key(), %error, "files were not carried"),
        }
    }

    /// Collects the messages that wait with a peer, when it is time to look again.
    async fn ask_for_messages(
        &self,
        one: &Acquaintance,
        state: Option<&PeerState>,
        contact: &mut Contact,
        mode: Mode,
    ) {
        let is_due = contact
            .collected
            .is_none_or(|at| at.elapsed() >= message_wait(mode));
        if one.may_be_away || !is_due || !state.is_some_and(|s| s.connected) {
            return;
        }
        contact.collected = Some(Instant::now());
        if let Ok(address) = one.address.parse::<PeerAddress>() {
            self.look_for_messages(&address).await;
        }
    }

    /// Tells the other devices where this one is, if they do not know.
    pub(crate) fn announce(&self) -> Result<(), PodError> {
        let address = self.address()?.to_string();
        let pod = self.pod();
        let own = pod.signing_key().public();
        if !pod.is_device(&own) || pod.device_address(&own).as_ref() == Some(&address) {
            return Ok(());
        }
        pod.set_device_address(&own, &address)
    }
}

/// Evenly distributed over all 64 bits.
pub(crate) fn chance() -> u64 {
    let mut bytes = [0; 8];
    if let Ok(mut random) = random_bytes() {
        random(&mut bytes);
    }
    u64::from_le_bytes(bytes)
}
