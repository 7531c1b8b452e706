//! Links over QUIC: one connection and one stream in it for each.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use iroh::TransportAddr;
use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendStream, StoppedError, VarInt};
use rhizome_ipld::PublicKey;
use tokio::io::AsyncWrite;

use crate::error::{NetworkError, reason};
use crate::link::{Channel, Facts, Link, Route, Traffic};
use crate::stream::{FrameSink, FrameStream};

/// Close codes of a connection.
const LEFT: u32 = 0;
const DONE: u32 = 1;
const REFUSED: u32 = 2;

/// What keying material is exported under.
const KEYING: &[u8] = b"EXPORTER rhizome link keying v1";

/// The dialler begins its stream with this byte: a stream is not seen on the other side before something is written to it.
pub(crate) const VERSION: u8 = 1;

pub(crate) fn public(id: iroh::EndpointId) -> PublicKey {
    PublicKey::Ed25519(*id.as_bytes())
}

/// The link over the first stream of a connection.
pub(crate) fn link(
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
) -> Result<Link, NetworkError> {
    let peer = public(connection.remote_id());
    let mut keying = [0; 32];
    connection
        .export_keying_material(&mut keying, KEYING, &[])
        .map_err(|_| NetworkError::Lost {
            peer,
            reason: "the connection exports no keying material".into(),
        })?;
    let writer = Writer {
        connection: connection.clone(),
        stopped: None,
        send,
    };
    let facts = Facts::new(peer, keying, Channel::Quic(connection));
    Ok(Link::new(
        Box::pin(FrameSink::new(writer, Arc::clone(&facts), broken)),
        Box::pin(FrameStream::new(recv, Arc::clone(&facts), broken)),
        facts,
    ))
}

/// Ends a connection whose peer is not, or no longer, admitted.
pub(crate) fn refuse(connection: &Connection, reason: &str) {
    let reason = reason.as_bytes();
    let short = reason.get(..crate::error::MAX_REASON).unwrap_or(reason);
    connection.close(VarInt::from_u32(REFUSED), short);
}

/// Ends a connection whose link is dropped.
pub(crate) fn leave(connection: &Connection, read_to_the_end: bool) {
    let code = if read_to_the_end { DONE } else { LEFT };
    connection.close(VarInt::from_u32(code), &[]);
}

/// Bytes in the datagrams of a connection, on all its paths.
pub(crate) fn datagrams(connection: &Connection) -> Traffic {
    let stats = connection.stats();
    Traffic {
        sent: stats.udp_tx.bytes,
        received: stats.udp_rx.bytes,
    }
}

pub(crate) fn route(connection: &Connection) -> Route {
    let paths = connection.paths();
    match paths
        .iter()
        .find(iroh::endpoint::Path::is_selected)
        .or_else(|| paths.iter().next())
        .map(|path| path.remote_addr().clone())
    {
        Some(TransportAddr::Ip(address)) => Route::Direct(address),
        Some(TransportAddr::Relay(url)) => Route::Relay(url.to_string()),
        _ => Route::Unknown,
    }
}

/// How a failed connection reads as an error.
pub(crate) fn lost(peer: PublicKey, error: &ConnectionError) -> NetworkError {
    match error {
        ConnectionError::ApplicationClosed(close)
            if close.error_code == VarInt::from_u32(REFUSED) =>
        {
            NetworkError::Refused {
                peer,
                reason: reason(&close.reason),
            }
        }
        ConnectionError::ApplicationClosed(_) => NetworkError::Lost {
            peer,
            reason: "the other side left".into(),
        },
        other => NetworkError::Lost {
            peer,
            reason: other.to_string(),
        },
    }
}

#[allow(clippy::needless_pass_by_value)] // the signature of `ErrorOf`
fn broken(facts: &Facts, error: std::io::Error) -> NetworkError {
    if let Channel::Quic(connection) = &facts.channel
        && let Some(closed) = connection.close_reason()
    {
        return lost(facts.peer(), &closed);
    }
    NetworkError::Lost {
        peer: facts.peer(),
        reason: error.to_string(),
    }
}

/// The sending half of a stream. Shutting it down waits until the other side has everything: the connection ends with the link, and
/// what is under way then would be lost.
struct Writer {
    connection: Connection,
    stopped: Option<Stopped>,
    send: SendStream,
}

type Stopped =
    Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send + Sync + 'static>>;

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.send).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.stopped.is_none() {
            let _ = self.send.finish(); // fails if it is finished or the other side has stopped reading
            self.stopped = Some(Box::pin(self.send.stopped()));
        }
        let Some(stopped) = &mut self.stopped else {
            return Poll::Ready(Ok(()));
        };
        let outcome = ready!(stopped.as_mut().poll(cx));
        Poll::Ready(match outcome {
            Ok(_) => Ok(()),
            Err(_) if read_to_the_end(&self.connection) => Ok(()),
            Err(error) => Err(std::io::Error::other(error)),
        })
    }
}

/// Whether the other side closed the connection after it had read everything.
fn read_to_the_end(connection: &Connection) -> bool {
    matches!(connection.close_reason(), Some(ConnectionError::ApplicationClosed(close))
        if close.error_code == VarInt::from_u32(DONE))
}
