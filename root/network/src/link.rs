//! A link: a reliable, ordered stream of messages between two keys that have proved themselves.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use rhizome_ipld::PublicKey;
use tokio_util::sync::CancellationToken;

use crate::door::Source;
use crate::error::NetworkError;
use crate::frame::MAX_MESSAGE;
use crate::quic;
use crate::service::Services;

/// How long [`Link::close`] waits for the other side to have read everything.
pub const CLOSE_WAIT: Duration = Duration::from_secs(3);

/// Bytes on a link's stream so far: messages and their framing. What is below (packets, acknowledgements, TCP) and the handshake
/// before the first message are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes given to the transport.
    pub sent: u64,
    /// Bytes taken from the transport.
    pub received: u64,
}

/// The way a link takes at this moment. A QUIC link may change from a relay to a direct path while it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// QUIC, straight to this socket address.
    Direct(SocketAddr),
    /// QUIC, through the relay at this URL.
    Relay(String),
    /// A WebSocket.
    WebSocket,
    /// Inside this process.
    Memory,
    /// Not known at the moment.
    Unknown,
}

/// Tells how much has gone over a link, as long as the link is there, without keeping it there.
#[derive(Clone, Debug)]
pub struct Meter(Weak<Facts>);

impl Meter {
    /// Bytes on the stream so far; `None` when the link is gone.
    pub fn traffic(&self) -> Option<Traffic> {
        Some(self.0.upgrade()?.traffic())
    }

    /// Bytes in the datagrams of the link's QUIC connection so far: its handshake, encryption and acknowledgements included, headers of
    /// UDP and IP not. `None` for a link of another kind, or when it is gone.
    pub fn datagrams(&self) -> Option<Traffic> {
        match &self.0.upgrade()?.channel {
            Channel::Quic(connection) => Some(quic::datagrams(connection)),
            _ => None,
        }
    }
}

/// What carries a link.
pub(crate) enum Channel {
    Quic(iroh::endpoint::Connection),
    WebSocket,
    Memory,
}

/// What both halves of a link know.
pub(crate) struct Facts {
    peer: PublicKey,
    keying: [u8; 32],
    pub(crate) channel: Channel,
    sent: AtomicU64,
    received: AtomicU64,
    ended: AtomicBool,
    cut: CancellationToken,
    why: OnceLock<String>,
    /// At the side that was dialled.
    services: OnceLock<Services>,
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("peer", &self.peer)
            .field("traffic", &self.traffic())
            .finish_non_exhaustive()
    }
}

impl Drop for Facts {
    fn drop(&mut self) {
        if let Channel::Quic(connection) = &self.channel {
            quic::leave(connection, *self.ended.get_mut());
        }
    }
}

impl Facts {
    pub(crate) fn new(peer: PublicKey, keying: [u8; 32], channel: Channel) -> Arc<Self> {
        Arc::new(Self {
            peer,
            keying,
            channel,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            cut: CancellationToken::new(),
            why: OnceLock::new(),
            services: OnceLock::new(),
        })
    }

    pub(crate) fn peer(&self) -> PublicKey {
        self.peer
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Notes that the other side has finished and all of it was read.
    pub(crate) fn note_end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Notes who serves it.
    pub(crate) fn serve(&self, services: &Services) {
        let _ = self.services.set(services.clone());
    }

    /// Ends the link at once, from this side: whoever sends or receives gets [`NetworkError::Cut`].
    pub(crate) fn cut(&self, reason: &str) {
        let _ = self.why.set(reason.to_owned());
        if let Channel::Quic(connection) = &self.channel {
            quic::refuse(connection, reason);
        }
        self.cut.cancel();
    }

    fn cut_error(&self) -> NetworkError {
        NetworkError::Cut {
            peer: self.peer,
            reason: self.why.get().cloned().unwrap_or_default(),
        }
    }
}

pub(crate) type Outgoing = Pin<Box<dyn Sink<Bytes, Error = NetworkError> + Send>>;
pub(crate) type Incoming = Pin<Box<dyn Stream<Item = Result<Bytes, NetworkError>> + Send>>;

macro_rules! facts {
    () => {
        /// The key the other side has proved to hold.
        pub fn peer(&self) -> PublicKey {
            self.facts.peer
        }

        /// 32 secret bytes that both ends of this link, and nobody else, have. Different for every link.
        pub fn keying(&self) -> [u8; 32] {
            self.facts.keying
        }

        /// Bytes so far.
        pub fn traffic(&self) -> Traffic {
            self.facts.traffic()
        }

        /// Goes on telling it, wherever the link goes.
        pub fn meter(&self) -> Meter {
            Meter(Arc::downgrade(&self.facts))
        }

        /// The way the link takes at this moment.
        pub fn route(&self) -> Route {
            match &self.facts.channel {
                Channel::Quic(connection) => quic::route(connection),
                Channel::WebSocket => Route::WebSocket,
                Channel::Memory => Route::Memory,
            }
        }
    };
}

/// The half of a link that sends.
pub struct Sender {
    sink: Outgoing,
    facts: Arc<Facts>,
}

impl Sender {
    facts!();

    /// Sends a message of at most [`MAX_MESSAGE`] bytes. Waits while the other side reads more slowly than this side writes.
    /// Returns when the transport has taken the message, not when it has arrived.
    ///
    /// If the future is dropped before it is done, the message goes whole with the next one or not at all; the link stays usable.
    ///
    /// # Errors
    /// [`NetworkError::MessageTooLong`] (nothing was sent, the link stays usable), [`NetworkError::Refused`],
    /// [`NetworkError::Lost`], [`NetworkError::Cut`].
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), NetworkError> {
        let message = message.into();
        if message.len() > MAX_MESSAGE {
            return Err(NetworkError::MessageTooLong {
                len: message.len(),
                max: MAX_MESSAGE,
            });
        }
        tokio::select! {
            biased;
            () = self.facts.cut.cancelled() => Err(self.facts.cut_error()),
            done = self.sink.send(message) => done,
        }
    }

    /// Says that nothing more will be sent. The other side gets `None` after the last message. Over QUIC it returns when the other
    /// side has everything.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn finish(&mut self) -> Result<(), NetworkError> {
        tokio::select! {
            biased;
            () = self.facts.cut.cancelled() => Err(self.facts.cut_error()),
            done = self.sink.close() => done,
        }
    }
}

/// The half of a link that receives.
pub struct Receiver {
    stream: Incoming,
    facts: Arc<Facts>,
}

impl Receiver {
    facts!();

    /// The next message; `None` once the other side has finished. Nothing is lost if the future is dropped before it is done.
    ///
    /// # Errors
    /// [`NetworkError::Refused`], [`NetworkError::Lost`] (also if the stream ends without having been finished),
    /// [`NetworkError::Frame`], [`NetworkError::Cut`].
    pub async fn receive(&mut self) -> Result<Option<Bytes>, NetworkError> {
        tokio::select! {
            biased;
            () = self.facts.cut.cancelled() => Err(self.facts.cut_error()),
            next = self.stream.next() => next.transpose(),
        }
    }
}

/// A reliable, ordered stream of messages between two keys that have proved themselves. Dropping it ends it at once and may lose what
/// was sent last: [`Link::close`] does not.
pub struct Link {
    sender: Sender,
    receiver: Receiver,
    facts: Arc<Facts>,
}

impl Link {
    pub(crate) fn new(sink: Outgoing, stream: Incoming, facts: Arc<Facts>) -> Self {
        Self {
            sender: Sender {
                sink,
                facts: facts.clone(),
            },
            receiver: Receiver {
                stream,
                facts: facts.clone(),
            },
            facts,
        }
    }

    pub(crate) fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    facts!();

    /// To be called by a handler once it knows that the peer came for something here: what its handshake cost is not held against
    /// the place it comes from ([`crate::Handshakes`]).
    pub fn welcome(&self) {
        if let (Some(services), Some(source)) = (self.facts.services.get(), self.source()) {
            services.welcome(source);
        }
    }

    fn source(&self) -> Option<Source> {
        match self.route() {
            Route::Direct(address) => Some(Source::of(address)),
            Route::Relay(_) => match self.facts.peer {
                PublicKey::Ed25519(key) => Some(Source::Relayed(key)),
                _ => None,
            },
            _ => None,
        }
    }

    /// [`Sender::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), NetworkError> {
        self.sender.send(message).await
    }

    /// [`Receiver::receive`].
    ///
    /// # Errors
    /// As there.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, NetworkError> {
        self.receiver.receive().await
    }

    /// The two halves, for sending and receiving at the same time. Two sides that both send much and never read while they do wait
    /// for each other for ever: use the halves.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// The link of two halves.
    ///
    /// # Errors
    /// The halves, if they belong to different links.
    pub fn join(sender: Sender, receiver: Receiver) -> Result<Self, (Sender, Receiver)> {
        if !Arc::ptr_eq(&sender.facts, &receiver.facts) {
            return Err((sender, receiver));
        }
        let facts = sender.facts.clone();
        Ok(Self {
            sender,
            receiver,
            facts,
        })
    }

    /// Ends the link in good order: says that nothing more comes, then waits until the other side has ended it too, at most
    /// [`CLOSE_WAIT`]. Messages that still arrive are dropped.
    ///
    /// # Errors
    /// As [`Self::send`]; [`NetworkError::Timeout`] if the other side does not end it.
    pub async fn close(mut self) -> Result<(), NetworkError> {
        let ended = async {
            self.sender.finish().await?;
            // Whatever ends it now, the other side has read to the end or does not want to.
            while let Ok(Some(_)) = self.receiver.receive().await {}
            Ok(())
        };
        tokio::time::timeout(CLOSE_WAIT, ended)
            .await
            .unwrap_or(Err(NetworkError::Timeout {
                what: "closing a link",
                limit: CLOSE_WAIT,
            }))
    }
}

macro_rules! debug {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("peer", &self.facts.peer)
                    .field("route", &self.route())
                    .field("traffic", &self.traffic())
                    .finish_non_exhaustive()
            }
        }
    };
}
debug!(Link);
debug!(Sender);
debug!(Receiver);
