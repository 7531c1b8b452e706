//! Listening for WebSockets, without a web server around it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};
use tokio_tungstenite::accept_async_with_config;

use super::{HANDSHAKE_WAIT, config, from_tungstenite, greet, keep_alive, serve};
use crate::{NetworkError, Services};

/// How many may be shaking hands at a time; who comes while there are more is hung up on.
pub const MAX_HANDSHAKES: usize = 256;
/// How long nobody is taken once the system has no more room for connections.
const RESPITE: Duration = Duration::from_millis(100);

/// Where a node listens for WebSockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketConfig {
    /// Plain TCP; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The URL under which others get there, if a server that speaks TLS stands before it.
    pub url: Option<String>,
}

/// Takes WebSockets for services until it is dropped.
pub(crate) struct Listening {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listening {
    /// At any path, under any name: what proves who is there is the handshake.
    pub async fn start(services: Services, at: SocketAddr) -> Result<Self, NetworkError> {
        let failed = |error: std::io::Error| NetworkError::Bind {
            address: at.to_string(),
            reason: error.to_string(),
        };
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let strangers = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        let task = tokio::spawn(async move {
            loop {
                let Ok((tcp, _)) = listener.accept().await else {
                    sleep(RESPITE).await;
                    continue;
                };
                if let Ok(place) = Arc::clone(&strangers).try_acquire_owned() {
                    tokio::spawn(receive(services.clone(), tcp, place));
                }
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One deadline holds for the upgrade and the handshake. The place is free once it is known who came.
async fn receive(services: Services, tcp: TcpStream, place: OwnedSemaphorePermit) {
    let until = Instant::now() + HANDSHAKE_WAIT;
    keep_alive(&tcp);
    let upgraded = accept_async_with_config(tcp, Some(config()));
    let Ok(Ok(socket)) = timeout_at(until, upgraded).await else {
        return;
    };
    let mut socket = from_tungstenite(socket);
    let greeted = timeout_at(until, Box::pin(greet(&services, &mut socket))).await;
    drop(place);
    let Ok(Ok((protocol, session))) = greeted else {
        return;
    };
    if let Err(error) = serve(&services, socket, protocol, session).await {
        tracing::debug!(%error, "a WebSocket link was not accepted");
    }
}
