//! Nodes without any socket of their own, through a relay.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rhizome_network::{
    Admission, NetworkError, Node, NodeConfig, PeerAddress, Protocol, Relay, RelayAccess,
    RelayLimits, Route,
};

use crate::peers::{ask, echo, nothing, public, soon};

async fn relay() -> Relay {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Relay::start(loopback, RelayLimits::default(), |key, token| {
        if token == Some(&format!("for {key}")) {
            Admission::Admit
        } else {
            Admission::Reject("no valid token".into())
        }
    })
    .await
    .unwrap()
}

fn through(relay: &Relay, token: String) -> NodeConfig {
    NodeConfig {
        bind: vec![],
        relays: vec![RelayAccess {
            url: relay.url(),
            token: Some(token),
        }],
        ..NodeConfig::default()
    }
}

#[tokio::test]
async fn two_nodes_meet_through_a_relay_only() {
    let relay = relay().await;
    assert!(relay.address().ip().is_loopback());
    let b = Node::start(
        echo(2, Protocol::Rpc, "relayed").build(),
        through(&relay, format!("for {}", public(2))),
    )
    .await
    .unwrap();
    let a = Node::start(nothing(1), through(&relay, format!("for {}", public(1))))
        .await
        .unwrap();
    soon(b.online()).await;
    assert!(b.sockets().is_empty());
    let state = b.relays();
    assert_eq!(state.len(), 1);
    assert!(state[0].connected && state[0].denied.is_none());
    let address = b.address().unwrap();
    assert_eq!(address.sockets(), []);
    assert_eq!(address.relays(), [relay.url()]);
    let address: PeerAddress = address.to_string().parse().unwrap();
    assert_eq!(ask(&a, &address, Protocol::Rpc).await.unwrap(), "relayed?");
    // Much goes through too, and the link says which way it takes.
    let mut link = soon(a.dial(&address, Protocol::Rpc)).await.unwrap();
    assert_eq!(link.route(), Route::Relay(relay.url()));
    link.send(vec![1; 900_000]).await.unwrap();
    let back = soon(link.receive()).await.unwrap().unwrap();
    assert_eq!(back.len(), 900_007);
    soon(link.close()).await.unwrap();
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
    relay.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_relay_may_be_added_later() {
    let relay = relay().await;
    let later = || NodeConfig {
        bind: vec![],
        more_relays: true,
        ..NodeConfig::default()
    };
    let b = Node::start(echo(2, Protocol::Rpc, "relayed").build(), later())
        .await
        .unwrap();
    let a = Node::start(nothing(1), later()).await.unwrap();
    for (node, n) in [(&a, 1), (&b, 2)] {
        let access = RelayAccess {
            url: relay.url(),
            token: Some(format!("for {}", public(n))),
        };
        node.add_relay(&access).await.unwrap();
        soon(node.online()).await;
    }
    let address = b.address().unwrap();
    assert_eq!(address.relays(), [relay.url()]);
    assert_eq!(ask(&a, &address, Protocol::Rpc).await.unwrap(), "relayed?");
    a.shutdown().await.unwrap();
    b.shutdown().await.unwrap();
    relay.shutdown().await.unwrap();
}

#[tokio::test]
async fn without_a_token_nobody_is_relayed() {
    let relay = relay().await;
    let b = Node::start(
        echo(2, Protocol::Rpc, "").build(),
        through(&relay, "for somebody else".into()),
    )
    .await
    .unwrap();
    let denied = async {
        loop {
            let state = b.relays();
            if let Some(why) = state.first().and_then(|relay| relay.denied.clone()) {
                assert!(!state[0].connected);
                return why;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(soon(denied).await.contains("no valid token"));
    b.shutdown().await.unwrap();
    relay.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_node_that_is_put_out_is_gone() {
    let relay = relay().await;
    let b = Node::start(nothing(2), through(&relay, format!("for {}", public(2))))
        .await
        .unwrap();
    soon(b.online()).await;
    assert!(!relay.disconnect(&public(7)));
    assert!(relay.disconnect(&public(2)));
    b.shutdown().await.unwrap();
    relay.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_no_relay_is_refused() {
    let config = NodeConfig {
        relays: vec![RelayAccess {
            url: "not a url".into(),
            token: None,
        }],
        ..NodeConfig::default()
    };
    let error = Node::start(nothing(1), config).await.err().unwrap();
    assert!(matches!(error, NetworkError::Relay { .. }), "{error}");
    let taken = relay().await;
    let again = Relay::start(taken.address(), RelayLimits::default(), |_, _| {
        Admission::Admit
    });
    let error = again.await.err().unwrap();
    assert!(matches!(error, NetworkError::Relay { .. }), "{error}");
    taken.shutdown().await.unwrap();
}
