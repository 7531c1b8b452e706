//! Ways to find a peer whose address has no places, or wrong ones, and to be found.

mod book;
#[cfg(feature = "dht")]
mod dht;
mod directory;
#[cfg(feature = "mdns")]
mod mdns;
mod pkarr;

pub use book::AddressBook;
pub use directory::Directory;

use iroh::Endpoint;
use iroh::address_lookup::AddrFilter;
use iroh::endpoint::Builder;
use rhizome_ipld::PublicKey;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::error::NetworkError;

/// What others may learn of where this node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Publish {
    /// Nothing: this node only looks for others.
    #[default]
    Nothing,
    /// Its relays, not its own addresses.
    Relays,
    /// Its relays and its own addresses.
    Everything,
}

impl Publish {
    /// What is published, if anything is.
    fn filter(self) -> Option<AddrFilter> {
        match self {
            Self::Nothing => None,
            Self::Relays => Some(AddrFilter::relay_only()),
            Self::Everything => Some(AddrFilter::unfiltered()),
        }
    }
}

/// A way to look for peers, and to be found. Records are signed by the device they are about; nobody can send a dialler elsewhere than
/// to a place where the connection fails.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discovery {
    /// Signed records at an HTTP server, usually the one of the cloud peer: a [`Directory`]. Whoever knows a device's key can ask there.
    Pkarr {
        /// The server's URL, without the key that comes after it.
        url: String,
        /// What is put there about this node, every five minutes and whenever it changes.
        publish: Publish,
    },
    /// Multicast on the local network. Everybody there can listen.
    #[cfg(feature = "mdns")]
    Mdns {
        /// Which nodes find each other: those with the same name. At most 15 of a-z, 0-9 and `-`.
        service: String,
        /// Whether this node tells where it is, or only looks for others.
        advertise: bool,
    },
    /// The mainline DHT of `BitTorrent`: a public place. Whoever knows a device's key can ask there.
    #[cfg(feature = "dht")]
    Dht {
        /// Nodes to begin with, as `host:port`. Empty: the well-known ones of the internet.
        bootstrap: Vec<String>,
        /// What is put there about this node.
        publish: Publish,
    },
}

/// A peer was heard on the local network. Most recent last; who listens too slowly misses some.
pub(crate) type Sightings = broadcast::Sender<PublicKey>;

impl Discovery {
    /// What has to be there before the endpoint is.
    pub(crate) fn add_to(&self, builder: Builder) -> Result<Builder, NetworkError> {
        match self {
            Self::Pkarr { url, publish } => pkarr::add(builder, url, *publish),
            #[cfg(feature = "mdns")]
            Self::Mdns { .. } => Ok(builder),
            #[cfg(feature = "dht")]
            Self::Dht { bootstrap, publish } => Ok(dht::add(builder, bootstrap, *publish)),
        }
    }

    /// What needs the endpoint.
    #[cfg_attr(
        not(feature = "mdns"),
        allow(unused_variables, clippy::unnecessary_wraps)
    )]
    pub(crate) fn start(
        &self,
        endpoint: &Endpoint,
        sightings: &Sightings,
    ) -> Result<Option<JoinHandle<()>>, NetworkError> {
        match self {
            #[cfg(feature = "mdns")]
            Self::Mdns { service, advertise } => {
                mdns::start(endpoint, service, *advertise, sightings.clone()).map(Some)
            }
            _ => Ok(None),
        }
    }
}

fn failed(what: &'static str, reason: impl Into<String>) -> NetworkError {
    NetworkError::Discovery {
        what,
        reason: reason.into(),
    }
}
