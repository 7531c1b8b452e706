//! Two peers of each kind, and the links between them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use rhizome_ipld::{PublicKey, SigningKey};
use rhizome_network::{
    Admission, Link, NetworkError, Node, NodeConfig, PeerAddress, Protocol, Services,
    ServicesBuilder, memory, websocket,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub fn key(seed: u8) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed([seed; 32]))
}

pub fn public(seed: u8) -> PublicKey {
    key(seed).public()
}

/// The known answers of the specification.
pub fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../docs/spec/vectors/network.json")).unwrap()
}

pub fn hex(text: &serde_json::Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

pub fn open_to_all(seed: u8) -> ServicesBuilder {
    Services::builder(key(seed), |_, _| Admission::Admit)
}

pub fn nothing(seed: u8) -> Services {
    open_to_all(seed).build()
}

/// Services that hand every link for `protocol` out through a channel.
pub fn handing_out(
    builder: ServicesBuilder,
    protocol: Protocol,
) -> (ServicesBuilder, mpsc::Receiver<Link>) {
    let (give, take) = mpsc::channel(64);
    let builder = builder.serve(protocol, move |link| {
        let give = give.clone();
        async move {
            let _ = give.send(link).await;
        }
    });
    (builder, take)
}

/// A web server with links at `/link`, on loopback.
pub struct Web {
    pub url: String,
    task: JoinHandle<()>,
}

impl Web {
    pub async fn start(services: Services) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let url = format!("ws://{}/link", listener.local_addr().unwrap());
        let listener = listener.tap_io(|tcp| websocket::keep_alive(tcp));
        let app = axum::Router::new().route("/link", websocket::route(services));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, task }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What keeps a link's transport alive.
#[derive(Default)]
pub struct Keep {
    nodes: Vec<Node>,
    _web: Option<Web>,
}

impl Keep {
    pub async fn end(self) {
        for node in self.nodes {
            node.shutdown().await.unwrap();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Memory,
    Quic,
    WebSocket,
}

pub const KINDS: [Kind; 3] = [Kind::Memory, Kind::Quic, Kind::WebSocket];

pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it takes too long")
}

/// A link of the given kind: the end that peer 1 dialled from, and the end that peer 2 has accepted.
pub async fn linked(kind: Kind) -> (Link, Link, Keep) {
    let protocol = Protocol::Sync;
    let (services, mut links) = handing_out(open_to_all(2), protocol);
    match kind {
        Kind::Memory => {
            let (a, b) = memory::pair(public(1), public(2), [7; 32], 64 * 1024);
            (a, b, Keep::default())
        }
        Kind::Quic => {
            let b = Node::start(services.build(), NodeConfig::default())
                .await
                .unwrap();
            let a = Node::start(nothing(1), NodeConfig::default())
                .await
                .unwrap();
            let left = soon(a.dial(&b.address().unwrap(), protocol)).await.unwrap();
            let right = soon(links.recv()).await.unwrap();
            let keep = Keep {
                nodes: vec![a, b],
                _web: None,
            };
            (left, right, keep)
        }
        Kind::WebSocket => {
            let web = Web::start(services.build()).await;
            let left = soon(websocket::dial(&web.url, public(2), protocol, &key(1)))
                .await
                .unwrap();
            let right = soon(links.recv()).await.unwrap();
            let keep = Keep {
                nodes: vec![],
                _web: Some(web),
            };
            (left, right, keep)
        }
    }
}

/// An address nobody listens at.
pub async fn nowhere(seed: u8) -> PeerAddress {
    let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let free: SocketAddr = socket.local_addr().unwrap();
    PeerAddress::new(public(seed))
        .unwrap()
        .with_socket(free)
        .unwrap()
}

/// Sends back what comes, with a prefix.
pub fn echo(seed: u8, protocol: Protocol, name: &'static str) -> ServicesBuilder {
    add_echo(open_to_all(seed), protocol, name)
}

pub fn add_echo(
    services: ServicesBuilder,
    protocol: Protocol,
    name: &'static str,
) -> ServicesBuilder {
    services.serve(protocol, move |mut link| async move {
        while let Ok(Some(m)) = link.receive().await {
            let answer = [name.as_bytes(), &m].concat();
            if link.send(answer).await.is_err() {
                return;
            }
        }
        let _ = link.close().await;
    })
}

/// Asks a node that runs [`echo`].
pub async fn ask(
    node: &Node,
    to: &PeerAddress,
    protocol: Protocol,
) -> Result<String, NetworkError> {
    let mut link = soon(node.dial(to, protocol)).await?;
    link.send("?").await?;
    let answer = soon(link.receive()).await?.unwrap();
    soon(link.close()).await?;
    Ok(String::from_utf8(answer.to_vec()).unwrap())
}
