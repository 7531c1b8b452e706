//! Dialling and being dialled.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rhizome_network::{
    AddressBook, NetworkError, Node, NodeConfig, PeerAddress, Protocol, websocket,
};

use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;

use crate::peers::{
    Web, add_echo, ask, echo, handing_out, key, nothing, nowhere, open_to_all, public, soon,
};

#[tokio::test]
async fn several_protocols_on_one_node() {
    let services = add_echo(echo(2, Protocol::Sync, "sync"), Protocol::Rpc, "rpc").build();
    let b = Node::start(services.clone(), NodeConfig::default())
        .await
        .unwrap();
    let a = Node::start(nothing(1), NodeConfig::default())
        .await
        .unwrap();
    assert!(b.sockets().iter().all(|s| s.ip().is_loopback()));
    let address = b.address().unwrap();
    assert_eq!(address.sockets(), b.sockets());
    assert_eq!(ask(&a, &address, Protocol::Sync).await.unwrap(), "sync?");
    assert_eq!(ask(&a, &address, Protocol::Rpc).await.unwrap(), "rpc?");
    // Nobody serves this one.
    let error = ask(&a, &address, Protocol::Blob).await.unwrap_err();
    assert!(matches!(error, NetworkError::Unreachable { .. }), "{error}");
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
    assert_eq!(services.open_links(), 0);
}

#[tokio::test]
async fn it_listens_where_it_is_told_and_the_port_is_free_afterwards() {
    let first = Node::start(nothing(1), NodeConfig::default())
        .await
        .unwrap();
    let sockets = first.sockets();
    assert_eq!(sockets.len(), 1);
    let config = NodeConfig {
        bind: sockets.clone(),
        ..NodeConfig::default()
    };
    let error = Node::start(nothing(2), config.clone()).await.err().unwrap();
    assert!(matches!(error, NetworkError::Bind { .. }), "{error}");
    first.shutdown().await.unwrap();
    let again = async {
        loop {
            match Node::start(nothing(2), config.clone()).await {
                Ok(node) => return node,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let second = soon(again).await;
    assert_eq!(second.sockets(), sockets);
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn two_addresses_of_one_family() {
    let config = NodeConfig {
        bind: vec![
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from(([127, 0, 0, 2], 0)),
        ],
        ..NodeConfig::default()
    };
    let b = Node::start(echo(2, Protocol::Rpc, "").build(), config)
        .await
        .unwrap();
    let a = Node::start(nothing(1), NodeConfig::default())
        .await
        .unwrap();
    assert_eq!(b.sockets().len(), 2);
    for socket in b.sockets() {
        let only = PeerAddress::new(b.key()).unwrap().with_socket(socket);
        assert_eq!(ask(&a, &only.unwrap(), Protocol::Rpc).await.unwrap(), "?");
    }
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

#[tokio::test]
async fn another_key_at_the_address_is_not_the_peer() {
    let b = Node::start(echo(2, Protocol::Rpc, "").build(), NodeConfig::default())
        .await
        .unwrap();
    let web = Web::start(echo(2, Protocol::Rpc, "").build()).await;
    let a = Node::start(nothing(1), NodeConfig::default())
        .await
        .unwrap();
    let wrong = PeerAddress::new(public(9))
        .unwrap()
        .with_socket(b.sockets()[0])
        .unwrap();
    let error = soon(a.dial(&wrong, Protocol::Rpc)).await.unwrap_err();
    assert!(
        matches!(&error, NetworkError::Unreachable { peer, .. } if *peer == public(9)),
        "{error:?}"
    );
    let error = soon(websocket::dial(&web.url, public(9), Protocol::Rpc, &key(1)))
        .await
        .unwrap_err();
    assert!(matches!(error, NetworkError::Handshake(_)), "{error:?}");
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_book_knows_where() {
    let b = Node::start(echo(2, Protocol::Rpc, "").build(), NodeConfig::default())
        .await
        .unwrap();
    let book = AddressBook::default();
    let config = NodeConfig {
        book: book.clone(),
        ..NodeConfig::default()
    };
    let a = Node::start(nothing(1), config).await.unwrap();
    let bare = PeerAddress::new(public(2)).unwrap();
    let error = ask(&a, &bare, Protocol::Rpc).await.unwrap_err();
    assert!(matches!(error, NetworkError::Unreachable { .. }), "{error}");
    book.insert(&b.address().unwrap()).unwrap();
    assert_eq!(ask(&a, &bare, Protocol::Rpc).await.unwrap(), "?");
    assert!(book.remove(&public(2)));
    assert!(!book.remove(&public(2)));
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

#[tokio::test]
async fn where_udp_does_not_get_through_the_websocket_does() {
    let web = Web::start(echo(2, Protocol::Rpc, "web").build()).await;
    let a = Node::start(nothing(1), NodeConfig::default())
        .await
        .unwrap();
    let address = nowhere(2).await.with_websocket(&web.url).unwrap();
    assert_eq!(ask(&a, &address, Protocol::Rpc).await.unwrap(), "web?");
    a.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_node_that_listens_for_websockets_says_where_and_takes_no_crowd() {
    let websocket = websocket::WebSocketConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        url: None,
    };
    let config = NodeConfig {
        websocket: Some(websocket),
        ..NodeConfig::default()
    };
    let b = Node::start(echo(2, Protocol::Rpc, "web").build(), config)
        .await
        .unwrap();
    let a = Node::start(nothing(1), NodeConfig::default())
        .await
        .unwrap();
    let url = b.address().unwrap().websocket().unwrap().to_owned();
    let address = PeerAddress::new(public(2)).unwrap();
    let address = address.with_websocket(&url).unwrap();
    assert_eq!(ask(&a, &address, Protocol::Rpc).await.unwrap(), "web?");
    // strangers who say nothing, or something else, take no more places than there are
    let place = url.trim_start_matches("ws://").trim_end_matches('/');
    let mut crowd = Vec::new();
    for n in 0..websocket::MAX_HANDSHAKES + 50 {
        let mut tcp = tokio::net::TcpStream::connect(place).await.unwrap();
        if n % 2 == 0 {
            tcp.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        }
        crowd.push(tcp);
    }
    let refused = soon(websocket::dial(&url, public(2), Protocol::Rpc, &key(1))).await;
    assert!(refused.is_err());
    drop(crowd);
    let again = async {
        loop {
            match ask(&a, &address, Protocol::Rpc).await {
                Ok(said) => return said,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    assert_eq!(soon(again).await, "web?");
    soon(b.shutdown()).await.unwrap();
    assert!(tokio::net::TcpStream::connect(place).await.is_err());
    a.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_shut_down_node_cuts_its_links_and_waits_for_its_handlers() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let services = open_to_all(2)
        .serve(Protocol::Sync, move |mut link| {
            let count = Arc::clone(&count);
            async move {
                link.send("hello").await.unwrap();
                let error = link.receive().await.unwrap_err();
                assert!(matches!(error, NetworkError::Cut { .. }), "{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
        .build();
    let b = Node::start(services.clone(), NodeConfig::default())
        .await
        .unwrap();
    let web = Web::start(services).await;
    let a = Node::start(nothing(1), NodeConfig::default())
        .await
        .unwrap();
    let mut quic = soon(a.dial(&b.address().unwrap(), Protocol::Sync))
        .await
        .unwrap();
    let mut ws = soon(websocket::dial(
        &web.url,
        public(2),
        Protocol::Sync,
        &key(1),
    ))
    .await
    .unwrap();
    assert_eq!(soon(quic.receive()).await.unwrap().unwrap(), "hello");
    assert_eq!(soon(ws.receive()).await.unwrap().unwrap(), "hello");
    soon(b.shutdown()).await.unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 2);
    let error = soon(quic.receive()).await.unwrap_err();
    assert!(matches!(error, NetworkError::Refused { .. }), "{error}");
    assert!(soon(ws.receive()).await.is_err());
    // Nobody is let in any more, not even over the WebSocket that still stands.
    let mut late = soon(websocket::dial(
        &web.url,
        public(2),
        Protocol::Sync,
        &key(1),
    ))
    .await
    .unwrap();
    let error = soon(late.receive()).await.unwrap_err();
    assert!(matches!(error, NetworkError::Refused { .. }), "{error}");
    a.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handler_that_panics_harms_only_its_link() {
    let services = open_to_all(2)
        .serve(Protocol::Sync, |_| async { panic!("on purpose") })
        .serve(Protocol::Rpc, |mut link| async move {
            link.send("fine").await.unwrap();
            let _ = link.close().await;
        })
        .build();
    let b = Node::start(services.clone(), NodeConfig::default())
        .await
        .unwrap();
    let a = Node::start(nothing(1), NodeConfig::default())
        .await
        .unwrap();
    let address = b.address().unwrap();
    let mut broken = soon(a.dial(&address, Protocol::Sync)).await.unwrap();
    assert!(soon(broken.receive()).await.is_err());
    let mut link = soon(a.dial(&address, Protocol::Rpc)).await.unwrap();
    assert_eq!(soon(link.receive()).await.unwrap().unwrap(), "fine");
    soon(link.close()).await.unwrap();
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
    assert_eq!(services.open_links(), 0);
}

#[tokio::test]
async fn a_hundred_links_at_once() {
    let services = echo(2, Protocol::Rpc, "")
        .limits(rhizome_network::Limits {
            links: 100,
            per_peer: 100,
            ..rhizome_network::Limits::default()
        })
        .build();
    let b = Node::start(services, NodeConfig::default()).await.unwrap();
    let a = Arc::new(
        Node::start(nothing(1), NodeConfig::default())
            .await
            .unwrap(),
    );
    let address = b.address().unwrap();
    let mut links = vec![];
    for _ in 0..100 {
        let mut link = soon(a.dial(&address, Protocol::Rpc)).await.unwrap();
        link.send("x").await.unwrap();
        links.push(link);
    }
    for link in &mut links {
        assert_eq!(soon(link.receive()).await.unwrap().unwrap(), "x");
    }
    drop(links);
    Arc::into_inner(a).unwrap().shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

/// Between a node and who dials it: swallows what belongs to the first connection, as a listener does that takes it for another's.
async fn swallowing(to: SocketAddr) -> SocketAddr {
    let [front, back] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
    let (front, back) = (front.await.unwrap(), back.await.unwrap());
    back.connect(to).await.unwrap();
    let at = front.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut first, mut dialler) = (None, at);
        let (mut out, mut home) = ([0; 2048], [0; 2048]);
        loop {
            tokio::select! {
                Ok((len, from)) = front.recv_from(&mut out) => {
                    dialler = from;
                    // behind the first byte of a long header and the version: whom it is for
                    let id = out[6..][..usize::from(out[5])].to_vec();
                    if out[0] >= 0x80 && *first.get_or_insert_with(|| id.clone()) == id {
                        continue;
                    }
                    back.send(&out[..len]).await.unwrap();
                }
                Ok(len) = back.recv(&mut home) => {
                    front.send_to(&home[..len], dialler).await.unwrap();
                }
            }
        }
    });
    at
}

#[tokio::test]
async fn a_dial_that_is_not_answered_is_begun_again() {
    let services = echo(2, Protocol::Rpc, "").build();
    let b = Node::start(services, NodeConfig::default()).await.unwrap();
    let a = Node::start(nothing(1), NodeConfig::default())
        .await
        .unwrap();
    let between = swallowing(b.sockets()[0]).await;
    let address = PeerAddress::new(public(2))
        .unwrap()
        .with_socket(between)
        .unwrap();
    assert_eq!(ask(&a, &address, Protocol::Rpc).await.unwrap(), "?");
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
}

#[tokio::test]
async fn dialling_oneself_is_an_error() {
    let (services, _links) = handing_out(open_to_all(1), Protocol::Sync);
    let a = Node::start(services.build(), NodeConfig::default())
        .await
        .unwrap();
    let error = soon(a.dial(&a.address().unwrap(), Protocol::Sync))
        .await
        .unwrap_err();
    assert!(matches!(error, NetworkError::Unreachable { .. }), "{error}");
    a.shutdown().await.unwrap();
}
