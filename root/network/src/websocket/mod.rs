//! Links over WebSockets: for scripts, browsers, and wherever UDP does not get through.

mod listen;

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{Message as ServerMessage, WebSocket, WebSocketUpgrade};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use rhizome_ipld::{PublicKey, SigningKey};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message as ClientMessage};
use tokio_tungstenite::{Connector, MaybeTlsStream, connect_async_tls_with_config};

use crate::error::{HandshakeError, NetworkError, reason};
use crate::frame::MAX_MESSAGE;
use crate::handshake::{Dialler, Kind, Listener, OVERHEAD, Opener, Sealer, Session};
use crate::link::{Channel, Facts, Link};
use crate::protocol::Protocol;
use crate::service::Services;

pub(crate) use listen::Listening;
pub use listen::{MAX_HANDSHAKES, WebSocketConfig};

/// How long dialling, or the handshake of somebody who dials here, may take.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

const MAX_FRAME: usize = MAX_MESSAGE + OVERHEAD;
/// Room each side of a socket reads into: an idle link holds it.
const READ_BUFFER: usize = 8 * 1024;
/// Most bytes that wait to be written: one message and its header.
const WRITE_BUFFER: usize = MAX_FRAME + 1024;

type RawSink = Pin<Box<dyn Sink<Bytes, Error = String> + Send>>;
type RawStream = Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;

/// A WebSocket of either kind, as binary messages.
struct Socket {
    sink: RawSink,
    stream: RawStream,
}

impl Socket {
    async fn send(&mut self, bytes: Bytes, peer: PublicKey) -> Result<(), NetworkError> {
        self.sink
            .send(bytes)
            .await
            .map_err(|reason| NetworkError::Lost { peer, reason })
    }

    async fn receive(&mut self, peer: PublicKey) -> Result<Bytes, NetworkError> {
        self.stream
            .next()
            .await
            .unwrap_or_else(|| Err("the other side left during the handshake".into()))
            .map_err(|reason| NetworkError::Lost { peer, reason })
    }
}

const TEXT: &str = "a text message came where only binary ones do";

fn server_side(socket: WebSocket) -> Socket {
    let (sink, stream) = socket.split();
    let sink = sink
        .with(|bytes| ready(Ok::<_, axum::Error>(ServerMessage::Binary(bytes))))
        .sink_map_err(|e| e.to_string());
    let stream = stream
        .take_while(|m| ready(!matches!(m, Ok(ServerMessage::Close(_)))))
        .filter_map(|m| {
            ready(match m {
                Ok(ServerMessage::Binary(bytes)) => Some(Ok(bytes)),
                Ok(ServerMessage::Text(_)) => Some(Err(TEXT.into())),
                Ok(_) => None,
                Err(e) => Some(Err(e.to_string())),
            })
        });
    Socket {
        sink: Box::pin(sink),
        stream: Box::pin(stream),
    }
}

/// A socket that was dialled, or taken without a web server.
fn from_tungstenite<S>(socket: S) -> Socket
where
    S: Stream<Item = Result<ClientMessage, tungstenite::Error>>
        + Sink<ClientMessage, Error = tungstenite::Error>
        + Send
        + 'static,
{
    let (sink, stream) = socket.split();
    let sink = sink
        .with(|bytes| ready(Ok::<_, tungstenite::Error>(ClientMessage::Binary(bytes))))
        .sink_map_err(|e| e.to_string());
    let stream = stream
        .take_while(|m| ready(!matches!(m, Ok(ClientMessage::Close(_)))))
        .filter_map(|m| {
            ready(match m {
                Ok(ClientMessage::Binary(bytes)) => Some(Ok(bytes)),
                Ok(ClientMessage::Text(_)) => Some(Err(TEXT.into())),
                Ok(_) => None,
                Err(e) => Some(Err(e.to_string())),
            })
        });
    Socket {
        sink: Box::pin(sink),
        stream: Box::pin(stream),
    }
}

/// The bounds of a link.
fn config() -> tungstenite::protocol::WebSocketConfig {
    tungstenite::protocol::WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
}

fn random() -> Result<[u8; 32], HandshakeError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| HandshakeError::Random)?;
    Ok(bytes)
}

/// Bytes of the header of a WebSocket frame.
fn header(len: usize, masked: bool) -> usize {
    let length = match len {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    2 + length + if masked { 4 } else { 0 }
}

/// Dials the peer `expected` at a `ws://` or `wss://` URL, proving `key`.
///
/// # Errors
/// [`NetworkError::Unreachable`], [`NetworkError::Handshake`], [`NetworkError::Lost`], [`NetworkError::Timeout`]. Whether the other
/// side lets us in shows with the first message received: [`NetworkError::Refused`].
pub async fn dial(
    url: &str,
    expected: PublicKey,
    protocol: Protocol,
    key: &SigningKey,
) -> Result<Link, NetworkError> {
    // Boxed, here and below: these futures are large, and end up in the futures of callers.
    let dialled = Box::pin(async {
        let connector = url.starts_with("wss:").then(tls).transpose()?;
        let (socket, _) = connect_async_tls_with_config(url, Some(config()), true, connector)
            .await
            .map_err(|e| NetworkError::Unreachable {
                peer: expected,
                reason: reason(e.to_string().as_bytes()),
            })?;
        match socket.get_ref() {
            MaybeTlsStream::Plain(tcp) => keep_alive(tcp),
            MaybeTlsStream::Rustls(tls) => keep_alive(tls.get_ref().0),
            _ => {}
        }
        let mut socket = from_tungstenite(socket);
        let (dialler, greeting) = Dialler::new(protocol, random()?);
        socket.send(greeting.into(), expected).await?;
        let answer = socket.receive(expected).await?;
        let (session, proof) = dialler.answered(&answer, &expected, key)?;
        socket.send(proof, expected).await?;
        Ok(link(socket, session, true))
    });
    tokio::time::timeout(HANDSHAKE_WAIT, dialled)
        .await
        .unwrap_or(Err(NetworkError::Timeout {
            what: "dialling a WebSocket",
            limit: HANDSHAKE_WAIT,
        }))
}

/// Makes the system notice within a minute that the other side of a TCP connection has gone without a word, and sends small messages at
/// once. Links that were dialled have it; a server sets it on what it accepts, in axum by `listener.tap_io(|tcp| keep_alive(tcp))`.
pub fn keep_alive(tcp: &TcpStream) {
    let probes = TcpKeepalive::new().with_time(Duration::from_secs(30));
    #[cfg(not(any(target_os = "openbsd", target_os = "windows")))]
    let probes = probes
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    // Without either the link works all the same.
    let _ = SockRef::from(tcp).set_tcp_keepalive(&probes);
    let _ = tcp.set_nodelay(true);
}

/// TLS with the roots of the web. Chosen here, since a process may have several providers of cryptography.
fn tls() -> Result<Connector, NetworkError> {
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(|e| NetworkError::Bind {
        address: "TLS".into(),
        reason: e.to_string(),
    })?
    .with_root_certificates(roots)
    .with_no_client_auth();
    Ok(Connector::Rustls(Arc::new(config)))
}

/// A route that serves links over WebSockets: to be mounted at any path of an axum server.
pub fn route<S: Clone + Send + Sync + 'static>(services: Services) -> MethodRouter<S> {
    get(move |upgrade: WebSocketUpgrade| {
        let services = services.clone();
        async move {
            limited(upgrade).on_upgrade(move |socket| async move {
                if let Err(error) = accept(&services, socket).await {
                    tracing::debug!(%error, "a WebSocket link was not accepted");
                }
            })
        }
    })
}

/// Sets the bounds of links on an upgrade. For callers who do the upgrade themselves; [`route`] does it.
pub fn limited(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
}

/// Does the handshake with whoever has opened `socket`, and serves the link until its handler returns.
///
/// # Errors
/// [`NetworkError::Handshake`], [`NetworkError::Lost`], [`NetworkError::Timeout`]; [`NetworkError::Refused`] with the reason if the
/// peer is not admitted.
pub async fn accept(services: &Services, socket: WebSocket) -> Result<(), NetworkError> {
    let mut socket = server_side(socket);
    let greeted = Box::pin(greet(services, &mut socket));
    let (protocol, session) = tokio::time::timeout(HANDSHAKE_WAIT, greeted)
        .await
        .unwrap_or(Err(NetworkError::Timeout {
            what: "the handshake of a WebSocket",
            limit: HANDSHAKE_WAIT,
        }))?;
    serve(services, socket, protocol, session).await
}

/// The listener's part of the handshake.
async fn greet(
    services: &Services,
    socket: &mut Socket,
) -> Result<(Protocol, Session), NetworkError> {
    let key = services.signing_key();
    let own = key.public(); // nobody else is known yet
    let greeting = socket.receive(own).await?;
    let (listener, answer) = Listener::greeted(&greeting, key, random()?)?;
    socket.send(answer.into(), own).await?;
    let protocol = listener.protocol();
    let session = listener.proved(&socket.receive(own).await?)?;
    Ok((protocol, session))
}

/// Serves who has shaken hands until the handler returns.
async fn serve(
    services: &Services,
    mut socket: Socket,
    protocol: Protocol,
    mut session: Session,
) -> Result<(), NetworkError> {
    let peer = session.peer;
    match services.admit(protocol, peer) {
        Ok(place) => {
            place.run(link(socket, session, false)).await;
            Ok(())
        }
        Err(reason) => {
            let said = session.sealer.seal(Kind::Refusal, reason.as_bytes())?;
            socket.send(said, peer).await?;
            // Reading on until the other side has gone: closing before would take the refusal with it.
            let gone = async { while let Some(Ok(_)) = socket.stream.next().await {} };
            let _ = tokio::time::timeout(crate::link::CLOSE_WAIT, gone).await;
            Err(NetworkError::Refused { peer, reason })
        }
    }
}

fn link(socket: Socket, session: Session, dialled: bool) -> Link {
    let facts = Facts::new(session.peer, session.keying, Channel::WebSocket);
    Link::new(
        Box::pin(SealedSink {
            inner: socket.sink,
            sealer: session.sealer,
            masked: dialled,
            ended: false,
            facts: Arc::clone(&facts),
        }),
        Box::pin(SealedStream {
            inner: socket.stream,
            opener: session.opener,
            masked: !dialled,
            over: false,
            facts: Arc::clone(&facts),
        }),
        facts,
    )
}

struct SealedSink {
    inner: RawSink,
    sealer: Sealer,
    masked: bool,
    ended: bool,
    facts: Arc<Facts>,
}

impl SealedSink {
    fn lost(&self, reason: String) -> NetworkError {
        NetworkError::Lost {
            peer: self.facts.peer(),
            reason,
        }
    }

    fn put(&mut self, kind: Kind, body: &[u8]) -> Result<(), NetworkError> {
        let sealed = self.sealer.seal(kind, body)?;
        let len = sealed.len();
        self.inner
            .as_mut()
            .start_send(sealed)
            .map_err(|e| self.lost(e))?;
        self.facts.count_sent(len + header(len, self.masked));
        Ok(())
    }
}

impl Sink<Bytes> for SealedSink {
    type Error = NetworkError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NetworkError>> {
        let done = ready!(self.inner.as_mut().poll_ready(cx));
        Poll::Ready(done.map_err(|e| self.lost(e)))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), NetworkError> {
        self.put(Kind::Message, &message)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NetworkError>> {
        let done = ready!(self.inner.as_mut().poll_flush(cx));
        Poll::Ready(done.map_err(|e| self.lost(e)))
    }

    /// The socket itself stays open: the other side may have more to say.
    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NetworkError>> {
        if !self.ended {
            ready!(self.as_mut().poll_ready(cx))?;
            self.ended = true;
            self.put(Kind::End, &[])?;
        }
        self.poll_flush(cx)
    }
}

struct SealedStream {
    inner: RawStream,
    opener: Opener,
    masked: bool,
    over: bool,
    facts: Arc<Facts>,
}

impl Stream for SealedStream {
    type Item = Result<Bytes, NetworkError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let peer = self.facts.peer();
        let lost = |reason: String| NetworkError::Lost { peer, reason };
        let last = match ready!(self.inner.as_mut().poll_next(cx)) {
            None => Some(lost("the other side left".into())),
            Some(Err(error)) => Some(lost(error)),
            Some(Ok(sealed)) => {
                let len = sealed.len();
                self.facts.count_received(len + header(len, self.masked));
                match self.opener.open(sealed) {
                    Ok((Kind::Message, message)) => return Poll::Ready(Some(Ok(message))),
                    Ok((Kind::End, _)) => {
                        self.facts.note_end();
                        None
                    }
                    Ok((Kind::Refusal, why)) => Some(NetworkError::Refused {
                        peer,
                        reason: reason(&why),
                    }),
                    Ok((Kind::Proof, _)) | Err(_) => {
                        Some(lost("a message was changed on its way".into()))
                    }
                }
            }
        };
        self.over = true;
        Poll::Ready(last.map(Err))
    }
}
