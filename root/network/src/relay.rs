//! A relay in this process: it hands packets between nodes that cannot reach each other. It sees which key talks to which and how much,
//! and none of what is said.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use iroh_relay::server::{
    Access, AccessControl, ClientRateLimit, ClientRequest, RelayConfig, Server, ServerConfig,
};
use rhizome_ipld::PublicKey;

use crate::error::NetworkError;
use crate::quic;
use crate::service::Admission;

/// How much a relay does for one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayLimits {
    /// Bytes in a second that are taken from one node; more waits. Without it there is no bound.
    pub bytes_per_second: Option<NonZeroU32>,
}

/// A running relay. To be ended with [`Relay::shutdown`].
pub struct Relay {
    server: Server,
    address: SocketAddr,
}

impl Relay {
    /// Starts a relay that speaks plain HTTP at exactly `address` (port 0 takes any free one): on the internet it belongs behind a
    /// server that speaks TLS. What nodes say to each other is encrypted between them in any case.
    ///
    /// `admit` is asked about every node that connects, once it has proved its key, with the token it brings. It must not block.
    ///
    /// # Errors
    /// [`NetworkError::Relay`].
    pub async fn start(
        address: SocketAddr,
        limits: RelayLimits,
        admit: impl Fn(&PublicKey, Option<&str>) -> Admission + Send + Sync + 'static,
    ) -> Result<Self, NetworkError> {
        let failed = |reason: String| NetworkError::Relay { reason };
        let mut relay = RelayConfig::new(address);
        relay.access = Arc::new(Door(Box::new(admit)));
        relay.limits.client_rx = limits.bytes_per_second.map(ClientRateLimit::new);
        let mut config = ServerConfig::default();
        config.relay = Some(relay);
        let server = Box::pin(Server::spawn(config))
            .await
            .map_err(|e| failed(format!("cannot listen on {address}: {e:#}")))?;
        let address = server
            .http_addr()
            .ok_or_else(|| failed("it does not listen".into()))?;
        Ok(Self { server, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, as nodes on this machine reach it.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Puts a node out that is connected, for example because its device was removed. Whether it gets in again is up to the callback.
    /// Returns whether it was connected.
    pub fn disconnect(&self, key: &PublicKey) -> bool {
        let PublicKey::Ed25519(bytes) = key else {
            return false;
        };
        match (
            iroh::EndpointId::from_bytes(bytes),
            self.server.relay_service(),
        ) {
            (Ok(id), Some(service)) => service.clients().disconnect(id, None),
            _ => false,
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`NetworkError::Relay`] if it had failed before.
    pub async fn shutdown(self) -> Result<(), NetworkError> {
        self.server
            .shutdown()
            .await
            .map_err(|e| NetworkError::Relay {
                reason: format!("{e:#}"),
            })
    }
}

type Admit = Box<dyn Fn(&PublicKey, Option<&str>) -> Admission + Send + Sync>;

struct Door(Admit);

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}

impl AccessControl for Door {
    async fn on_connect(&self, request: &ClientRequest) -> Access {
        let key = quic::public(request.endpoint_id());
        match (self.0)(&key, request.auth_token().as_deref()) {
            Admission::Admit => Access::Allow,
            Admission::Reject(reason) => Access::Deny {
                reason: Some(reason),
            },
        }
    }
}
