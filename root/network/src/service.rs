//! What a node serves, to whom, and how much of it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rhizome_ipld::{PublicKey, SigningKey};
use tokio_util::task::TaskTracker;

use crate::door::{Door, Handshakes, Source, Verdict};
use crate::error::NetworkError;
use crate::link::{Facts, Link};
use crate::protocol::Protocol;

/// Whether a peer may use a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Let it in.
    Admit,
    /// Tell it why not, in at most 200 bytes. Whoever dials can read this: give away nothing.
    Reject(String),
}

/// How many incoming links there may be at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From all peers together.
    pub links: usize,
    /// From one peer.
    pub per_peer: usize,
    /// Connections that come to nothing.
    pub handshakes: Handshakes,
}

impl Default for Limits {
    /// 4096, and 32 from one peer; [`Handshakes::default`].
    fn default() -> Self {
        Self {
            links: 4096,
            per_peer: 32,
            handshakes: Handshakes::default(),
        }
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler = Box<dyn Fn(Link) -> Task + Send + Sync>;
type Admit = Box<dyn Fn(Protocol, &PublicKey) -> Admission + Send + Sync>;

/// What is served here: a handler for each protocol, and who is let in. One set of services serves QUIC and WebSockets alike. Cheap to
/// clone; clones are the same services.
#[derive(Clone)]
pub struct Services(Arc<Inner>);

struct Inner {
    key: Arc<SigningKey>,
    admit: Admit,
    handlers: HashMap<Protocol, Handler>,
    limits: Limits,
    open: Mutex<Open>,
    door: Mutex<Door>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Open {
    next: u64,
    down: bool,
    per_peer: HashMap<PublicKey, usize>,
    links: HashMap<u64, Served>,
}

struct Served {
    protocol: Protocol,
    peer: PublicKey,
    facts: Weak<Facts>,
}

/// Builds [`Services`].
pub struct ServicesBuilder {
    key: Arc<SigningKey>,
    admit: Admit,
    handlers: HashMap<Protocol, Handler>,
    limits: Limits,
}

impl ServicesBuilder {
    /// Serves a protocol: `handler` is run as a task of its own for every incoming link, and the link is over when it returns. A later
    /// handler for the same protocol replaces the earlier one.
    #[must_use]
    pub fn serve<F, T>(mut self, protocol: Protocol, handler: F) -> Self
    where
        F: Fn(Link) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let handler: Handler = Box::new(move |link| Box::pin(handler(link)));
        self.handlers.insert(protocol, handler);
        self
    }

    /// Bounds the number of incoming links.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The services.
    pub fn build(self) -> Services {
        Services(Arc::new(Inner {
            key: self.key,
            admit: self.admit,
            handlers: self.handlers,
            limits: self.limits,
            open: Mutex::default(),
            door: Mutex::new(Door::new(self.limits.handshakes, Instant::now())),
            tasks: TaskTracker::new(),
        }))
    }
}

impl Services {
    /// Services of the device that holds `key`. `admit` is asked about every incoming link once its peer has proved its key, and again
    /// whenever [`Self::recheck`] is called; it must not block.
    pub fn builder(
        key: Arc<SigningKey>,
        admit: impl Fn(Protocol, &PublicKey) -> Admission + Send + Sync + 'static,
    ) -> ServicesBuilder {
        ServicesBuilder {
            key,
            admit: Box::new(admit),
            handlers: HashMap::new(),
            limits: Limits::default(),
        }
    }

    /// The key of this device.
    pub fn key(&self) -> PublicKey {
        self.0.key.public()
    }

    pub(crate) fn signing_key(&self) -> &Arc<SigningKey> {
        &self.0.key
    }

    pub(crate) fn serves(&self, protocol: Protocol) -> bool {
        self.0.handlers.contains_key(&protocol)
    }

    pub(crate) fn protocols(&self) -> impl Iterator<Item = Protocol> + '_ {
        Protocol::ALL.into_iter().filter(|p| self.serves(*p))
    }

    /// Number of incoming links at the moment.
    pub fn open_links(&self) -> usize {
        self.0.open.lock().links.len()
    }

    /// Whether more than half of the places are taken.
    pub(crate) fn busy(&self) -> bool {
        self.open_links() > self.0.limits.links / 2
    }

    /// Whether somebody who begins a connection may go on.
    pub(crate) fn knock(&self, source: Source, proven: bool) -> Verdict {
        let busy = self.busy();
        let mut door = self.0.door.lock();
        door.knock(source, proven, busy, Instant::now())
    }

    /// A handler says that a link came to something.
    pub(crate) fn welcome(&self, source: Source) {
        self.0.door.lock().welcome(source, Instant::now());
    }

    /// Asks about every open incoming link again and cuts those that are not admitted any more. To be called when the list of devices
    /// has changed. Returns how many were cut.
    pub fn recheck(&self) -> usize {
        // The callback is asked without the lock: it may take locks of its own.
        let open: Vec<_> = {
            let open = self.0.open.lock();
            open.links
                .values()
                .map(|served| (served.protocol, served.peer, served.facts.clone()))
                .collect()
        };
        let mut cut = 0;
        for (protocol, peer, facts) in open {
            if let Admission::Reject(reason) = (self.0.admit)(protocol, &peer)
                && let Some(facts) = facts.upgrade()
            {
                facts.cut(&reason);
                cut += 1;
            }
        }
        cut
    }

    /// Takes a place for a link from `peer`, or says why there is none.
    pub(crate) fn admit(&self, protocol: Protocol, peer: PublicKey) -> Result<Place, String> {
        if !self.serves(protocol) {
            return Err(format!("{protocol} is not served here"));
        }
        if let Admission::Reject(reason) = (self.0.admit)(protocol, &peer) {
            tracing::debug!(%peer, %protocol, reason, "refused");
            return Err(reason);
        }
        let mut open = self.0.open.lock();
        if open.down {
            return Err("shutting down".into());
        }
        if open.links.len() >= self.0.limits.links {
            return Err("too many links are open here: try later".into());
        }
        let of_peer = open.per_peer.get(&peer).copied().unwrap_or_default();
        if of_peer >= self.0.limits.per_peer {
            return Err("too many links of yours are open here: close one".into());
        }
        open.per_peer.insert(peer, of_peer + 1);
        let number = open.next;
        open.next += 1;
        open.links.insert(
            number,
            Served {
                protocol,
                peer,
                facts: Weak::new(),
            },
        );
        Ok(Place {
            services: self.clone(),
            number,
            protocol,
        })
    }

    /// Cuts every incoming link and takes no new one; waits until the handlers have returned, at most `wait`. A handler that is still
    /// running then goes on running without its link.
    ///
    /// # Errors
    /// [`NetworkError::Timeout`].
    pub async fn shutdown(&self, wait: Duration) -> Result<(), NetworkError> {
        let open: Vec<_> = {
            let mut open = self.0.open.lock();
            open.down = true;
            open.links.values().map(|s| s.facts.clone()).collect()
        };
        for facts in open.iter().filter_map(Weak::upgrade) {
            facts.cut("shutting down");
        }
        self.0.tasks.close();
        tokio::time::timeout(wait, self.0.tasks.wait())
            .await
            .map_err(|_| NetworkError::Timeout {
                what: "ending the handlers of open links",
                limit: wait,
            })
    }
}

/// A link's place among those that are served; free again when it is dropped.
pub(crate) struct Place {
    services: Services,
    number: u64,
    protocol: Protocol,
}

impl Place {
    /// Runs the handler on a link until it returns.
    pub(crate) async fn run(self, link: Link) {
        let down = {
            let mut open = self.services.0.open.lock();
            if let Some(served) = open.links.get_mut(&self.number) {
                served.facts = Arc::downgrade(link.facts());
            }
            open.down
        };
        link.facts().serve(&self.services);
        // Things may have changed before the link could be found by `recheck` and `shutdown`.
        if down {
            link.facts().cut("shutting down");
        } else if let Admission::Reject(reason) =
            (self.services.0.admit)(self.protocol, &link.peer())
        {
            link.facts().cut(&reason);
        }
        let Some(task) = self
            .services
            .0
            .handlers
            .get(&self.protocol)
            .map(|h| h(link))
        else {
            return;
        };
        // A task of its own: a handler that panics must not take the accepting side down with it.
        let tracked = self.services.0.tasks.clone();
        let _ = tracked.spawn(task).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.services.0.open.lock();
        let Some(served) = open.links.remove(&self.number) else {
            return;
        };
        if let Some(count) = open.per_peer.get_mut(&served.peer) {
            *count -= 1;
            if *count == 0 {
                open.per_peer.remove(&served.peer);
            }
        }
    }
}
