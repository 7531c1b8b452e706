//! Finding a peer by its key alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use rhizome_ipld::PublicKey;
use rhizome_network::{
    Directory, Discovery, NetworkError, Node, NodeConfig, PeerAddress, Protocol, Publish,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::peers::{ask, echo, nothing, public, soon};

/// A directory on loopback; the URL ends where the keys begin.
async fn serve(directory: Directory) -> (SocketAddr, String) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().nest("/pkarr", directory.router());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, format!("http://{address}/pkarr"))
}

fn found_by(discovery: Discovery) -> NodeConfig {
    NodeConfig {
        discovery: vec![discovery],
        ..NodeConfig::default()
    }
}

fn pkarr(url: &str, publish: Publish) -> NodeConfig {
    found_by(Discovery::Pkarr {
        url: url.to_owned(),
        publish,
    })
}

async fn until(condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn bare(key: PublicKey) -> PeerAddress {
    PeerAddress::new(key).unwrap()
}

#[tokio::test]
async fn through_a_directory() {
    let directory = Directory::new(10, |key| *key != public(3));
    let (_, url) = serve(directory.clone()).await;
    let b = Node::start(
        echo(2, Protocol::Rpc, "").build(),
        pkarr(&url, Publish::Everything),
    )
    .await
    .unwrap();
    // This one is not admitted to the directory, so nobody finds it.
    let c = Node::start(
        echo(3, Protocol::Rpc, "").build(),
        pkarr(&url, Publish::Everything),
    )
    .await
    .unwrap();
    until(|| !directory.is_empty()).await;
    let a = Node::start(nothing(1), pkarr(&url, Publish::Nothing))
        .await
        .unwrap();
    assert_eq!(ask(&a, &bare(b.key()), Protocol::Rpc).await.unwrap(), "?");
    let error = ask(&a, &bare(c.key()), Protocol::Rpc).await.unwrap_err();
    assert!(matches!(error, NetworkError::Unreachable { .. }), "{error}");
    assert_eq!(directory.len(), 1);
    assert!(directory.remove(&b.key()));
    assert!(directory.is_empty());
    for node in [a, b, c] {
        node.shutdown().await.unwrap();
    }
}

/// Speaks HTTP by hand, so that anything can be sent.
async fn request(to: SocketAddr, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut socket = tokio::net::TcpStream::connect(to).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {to}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let _ = socket.write_all(body).await;
    let mut answer = vec![];
    soon(socket.read_to_end(&mut answer)).await.unwrap();
    let status = std::str::from_utf8(&answer[9..12])
        .unwrap()
        .parse()
        .unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    (status, answer[end + 4..].to_vec())
}

#[tokio::test]
async fn a_directory_takes_what_is_signed_and_new() {
    use iroh::{EndpointId, SecretKey};
    use iroh_dns::pkarr::SignedPacket;
    let directory = Directory::new(2, |key| *key != public(9));
    let (to, _) = serve(directory.clone()).await;
    let path = |seed: u8| {
        let id: EndpointId = SecretKey::from_bytes(&[seed; 32]).public();
        format!("/pkarr/{}", id.to_z32())
    };
    let record = |seed: u8, text: &str| {
        let key = SecretKey::from_bytes(&[seed; 32]);
        SignedPacket::from_txt_strings(&key, "_iroh", [text], 30)
            .unwrap()
            .to_relay_payload()
    };
    let old = record(1, "old");
    tokio::time::sleep(Duration::from_millis(2)).await;
    let new = record(1, "new");
    assert_eq!(request(to, "GET", &path(1), &[]).await.0, 404);
    assert_eq!(request(to, "PUT", &path(1), &new).await.0, 204);
    assert_eq!(request(to, "PUT", &path(1), &new).await.0, 204);
    assert_eq!(request(to, "PUT", &path(1), &old).await.0, 409);
    assert_eq!(request(to, "GET", &path(1), &[]).await, (200, new.clone()));
    // Somebody else's record, a changed one, one that is too long, no key.
    assert_eq!(request(to, "PUT", &path(2), &new).await.0, 400);
    let mut changed = new.clone();
    changed[70] ^= 1;
    assert_eq!(request(to, "PUT", &path(1), &changed).await.0, 400);
    assert_eq!(request(to, "PUT", &path(1), &[0; 2000]).await.0, 413);
    assert_eq!(request(to, "PUT", "/pkarr/x", &new).await.0, 400);
    assert_eq!(request(to, "GET", "/pkarr/x", &[]).await.0, 400);
    // Who is not admitted, and who comes when there is no room.
    assert_eq!(request(to, "PUT", &path(9), &record(9, "x")).await.0, 403);
    assert_eq!(request(to, "PUT", &path(2), &record(2, "x")).await.0, 204);
    assert_eq!(request(to, "PUT", &path(3), &record(3, "x")).await.0, 507);
    assert_eq!(directory.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_a_server_is_refused() {
    for url in ["", "pkarr.example.org", "ftp://pkarr.example.org/"] {
        let started = Node::start(nothing(1), pkarr(url, Publish::Nothing)).await;
        let error = started.err().unwrap();
        assert!(matches!(error, NetworkError::Discovery { .. }), "{error}");
    }
}

#[cfg(feature = "dht")]
#[tokio::test]
async fn through_a_dht_of_this_machine() {
    let net = n0_mainline::Testnet::new(4).await.unwrap();
    let dht = |publish| {
        found_by(Discovery::Dht {
            bootstrap: net.bootstrap.clone(),
            publish,
        })
    };
    let b = Node::start(echo(2, Protocol::Rpc, "").build(), dht(Publish::Everything))
        .await
        .unwrap();
    let a = Node::start(nothing(1), dht(Publish::Nothing))
        .await
        .unwrap();
    let found = async {
        loop {
            match ask(&a, &bare(b.key()), Protocol::Rpc).await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    assert_eq!(soon(Box::pin(found)).await, "?");
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

/// Sends multicast, so it runs by hand only, in a network of its own:
/// `unshare -rn sh -c 'ip link set lo up multicast on; ip route add 224.0.0.0/4 dev lo; cargo test --features mdns -- --ignored mdns'`
#[cfg(feature = "mdns")]
#[tokio::test]
#[ignore = "multicast leaves this machine"]
async fn through_mdns() {
    let mdns = || {
        found_by(Discovery::Mdns {
            service: "rhizome-test".into(),
            advertise: true,
        })
    };
    let b = Node::start(echo(2, Protocol::Rpc, "").build(), mdns())
        .await
        .unwrap();
    let a = Node::start(nothing(1), mdns()).await.unwrap();
    let mut sightings = a.sightings();
    assert_eq!(soon(sightings.recv()).await.unwrap(), b.key());
    assert_eq!(ask(&a, &bare(b.key()), Protocol::Rpc).await.unwrap(), "?");
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}
