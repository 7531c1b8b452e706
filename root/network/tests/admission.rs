//! Who is let in, and who is put out.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rhizome_ipld::PublicKey;
use rhizome_network::{
    Admission, Limits, Link, NetworkError, Node, NodeConfig, Protocol, Services, ServicesBuilder,
    websocket,
};

use crate::peers::{Web, key, nothing, open_to_all, public, soon};

type Devices = Arc<Mutex<BTreeSet<PublicKey>>>;

/// Pairing is open to anybody, the rest to devices on the list.
fn listed(devices: &Devices) -> ServicesBuilder {
    let devices = Arc::clone(devices);
    let builder = Services::builder(key(2), move |protocol, peer| {
        if protocol == Protocol::Pair || devices.lock().unwrap().contains(peer) {
            Admission::Admit
        } else {
            Admission::Reject("not a device of this pod".into())
        }
    });
    [Protocol::Sync, Protocol::Pair]
        .into_iter()
        .fold(builder, |b, protocol| b.serve(protocol, greet))
}

async fn greet(mut link: Link) {
    if link.send("welcome").await.is_ok() {
        while let Ok(Some(m)) = link.receive().await {
            let _ = link.send(m).await;
        }
    }
}

/// Both kinds of link to the same services.
struct Both {
    a: Node,
    b: Node,
    web: Web,
}

impl Both {
    async fn start(services: &Services) -> Self {
        Self {
            a: Node::start(nothing(1), NodeConfig::default())
                .await
                .unwrap(),
            b: Node::start(services.clone(), NodeConfig::default())
                .await
                .unwrap(),
            web: Web::start(services.clone()).await,
        }
    }

    async fn dial(&self, protocol: Protocol) -> [Link; 2] {
        let address = self.b.address().unwrap();
        let quic = self.a.dial(&address, protocol);
        let me = key(1);
        let web = websocket::dial(&self.web.url, public(2), protocol, &me);
        [soon(quic).await.unwrap(), soon(web).await.unwrap()]
    }

    async fn end(self) {
        self.a.shutdown().await.unwrap();
        self.b.shutdown().await.unwrap();
    }
}

async fn refused(link: &mut Link) -> String {
    match soon(link.receive()).await {
        Err(NetworkError::Refused { peer, reason }) => {
            assert_eq!(peer, public(2));
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_list_decides_and_changes_while_running() {
    let devices = Devices::default();
    let services = listed(&devices).build();
    let both = Both::start(&services).await;
    for mut link in both.dial(Protocol::Sync).await {
        assert_eq!(refused(&mut link).await, "not a device of this pod");
    }
    for mut link in both.dial(Protocol::Pair).await {
        assert_eq!(soon(link.receive()).await.unwrap().unwrap(), "welcome");
    }
    devices.lock().unwrap().insert(public(1));
    let mut links = both.dial(Protocol::Sync).await;
    for link in &mut links {
        assert_eq!(soon(link.receive()).await.unwrap().unwrap(), "welcome");
    }
    assert_eq!(services.recheck(), 0);
    // The device is removed: its open links end, a new one is refused.
    devices.lock().unwrap().remove(&public(1));
    assert_eq!(services.recheck(), 2);
    for link in &mut links {
        let error = soon(link.receive()).await.unwrap_err();
        assert!(
            matches!(
                error,
                NetworkError::Refused { .. } | NetworkError::Lost { .. }
            ),
            "{error}"
        );
    }
    for mut link in both.dial(Protocol::Sync).await {
        assert_eq!(refused(&mut link).await, "not a device of this pod");
    }
    both.end().await;
    assert_eq!(services.open_links(), 0);
}

#[tokio::test]
async fn nobody_takes_all_the_places() {
    let services = open_to_all(2)
        .serve(Protocol::Sync, greet)
        .limits(Limits {
            links: 3,
            per_peer: 2,
            ..Limits::default()
        })
        .build();
    let both = Both::start(&services).await;
    let mut first = both.dial(Protocol::Sync).await;
    for link in &mut first {
        assert_eq!(soon(link.receive()).await.unwrap().unwrap(), "welcome");
    }
    for mut link in both.dial(Protocol::Sync).await {
        assert!(refused(&mut link).await.contains("of yours"));
    }
    // Another peer still gets in, a third does not.
    let dial = async |seed| {
        soon(websocket::dial(
            &both.web.url,
            public(2),
            Protocol::Sync,
            &key(seed),
        ))
        .await
        .unwrap()
    };
    let mut other = dial(3).await;
    assert_eq!(soon(other.receive()).await.unwrap().unwrap(), "welcome");
    assert!(refused(&mut dial(4).await).await.contains("try later"));
    // A place that is given back can be taken again.
    drop(other);
    let free = async {
        while services.open_links() > 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon(free).await;
    assert_eq!(
        soon(dial(4).await.receive()).await.unwrap().unwrap(),
        "welcome"
    );
    drop(first);
    both.end().await;
}

#[tokio::test]
async fn a_reason_from_outside_is_cleaned_and_cut() {
    let services = Services::builder(key(2), |_, _| {
        Admission::Reject(format!("\u{1b}[31m{}", "é".repeat(500)))
    })
    .serve(Protocol::Sync, greet)
    .build();
    let both = Both::start(&services).await;
    for mut link in both.dial(Protocol::Sync).await {
        let reason = refused(&mut link).await;
        assert!(reason.starts_with("[31mé"), "{reason}");
        assert!(reason.len() <= 200);
    }
    both.end().await;
}
