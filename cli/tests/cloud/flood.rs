//! A client that does as much as it can, in a process of its own.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rhizome_identity::{Did, Log};
use rhizome_ipld::codec;
use rhizome_network::{Node, PeerAddress, Protocol};
use rhizome_sealed::{Sealed, SealedOptions};
use rhizome_storage::MemoryKv;
use rhizome_sync::Store;
use serde_bytes::ByteBuf;

use super::people::{Error, Maker, Person, device, exchange, greet};

/// What the other process is told: the address of the peer.
const ENVIRONMENT: &str = "RHIZOME_FLOOD";
/// The person whose pod is kept, and who misuses it.
pub const SEED: u64 = 0xF100D;
/// What it gives the peer in one session.
const COMMITS: usize = 512;
const CERTIFICATES: usize = 64;

/// What it got done.
#[derive(Default)]
struct Done {
    connections: AtomicU64,
    strangers: AtomicU64,
    garbage: AtomicU64,
    sessions: AtomicU64,
    commits: AtomicU64,
    certificates: AtomicU64,
    turned_away: AtomicU64,
}

impl Done {
    fn to_text(&self) -> String {
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        format!(
            "{} connections, {} logs shown by a stranger, {} frames of garbage, {} sessions begun, {} commits, {} certificates; \
             turned away {} times",
            count(&self.connections),
            count(&self.strangers),
            count(&self.garbage),
            count(&self.sessions),
            count(&self.commits),
            count(&self.certificates),
            count(&self.turned_away),
        )
    }
}

/// Starts it. It ends when its standard input does, and then says what it got done.
pub fn start(address: &str) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["cloud::flood::in_a_process", "--exact", "--nocapture"])
        .env(ENVIRONMENT, address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}

#[test]
fn in_a_process() {
    let Ok(address) = std::env::var(ENVIRONMENT) else {
        return; // only the test beside this one starts it
    };
    let (address, _) = rhizome_pod::parse_peer(&address).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let done = Arc::new(Done::default());
    runtime.spawn(flood(address, Arc::clone(&done)));
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    println!("flood: {}", done.to_text());
    runtime.shutdown_background();
}

/// Does something again and again, and counts it.
fn again<F>(count: fn(&Done) -> &AtomicU64, done: &Arc<Done>, what: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = Result<u64, Error>> + Send,
{
    let done = Arc::clone(done);
    tokio::spawn(async move {
        loop {
            match what().await {
                Ok(n) => count(&done).fetch_add(n, Ordering::Relaxed),
                Err(_) => done.turned_away.fetch_add(1, Ordering::Relaxed),
            };
            tokio::task::yield_now().await;
        }
    });
}

async fn flood(peer: PeerAddress, done: Arc<Done>) -> Result<(), Error> {
    let person = Maker::new(SEED).person()?;
    let did = person.did();
    let log = person.set.log().clone();
    let stranger = Maker::new(SEED + 1).person()?;
    let node = Arc::new(device(&person.laptop, 0xFFFF).await?);
    let nobody = Arc::new(device(&stranger.laptop, 0xFFFF).await?);
    for n in 0..64u64 {
        let (node, nobody, peer) = (Arc::clone(&node), Arc::clone(&nobody), peer.clone());
        let log = log.clone();
        match n % 8 {
            0 | 1 => again(
                |d| &d.connections,
                &done,
                move || {
                    let (node, peer) = (Arc::clone(&node), peer.clone());
                    async move { connect(&node, &peer).await }
                },
            ),
            2 | 3 => again(
                |d| &d.strangers,
                &done,
                move || {
                    let (nobody, peer, log) = (Arc::clone(&nobody), peer.clone(), log.clone());
                    async move { show_as_stranger(&nobody, &peer, did, &log).await }
                },
            ),
            4 => again(
                |d| &d.garbage,
                &done,
                move || {
                    let (node, peer) = (Arc::clone(&node), peer.clone());
                    async move { garbage(&node, &peer, did, n).await }
                },
            ),
            _ => again(
                |d| &d.sessions,
                &done,
                move || {
                    let (node, peer) = (Arc::clone(&node), peer.clone());
                    async move { begin(&node, &peer, did).await }
                },
            ),
        }
    }
    push(&node, &peer, person, &done).await
}

/// Opens a connection and says nothing on it.
async fn connect(node: &Node, peer: &PeerAddress) -> Result<u64, Error> {
    drop(node.dial(peer, Protocol::Sync).await?);
    Ok(1)
}

/// Asks for somebody else's pod and shows its log.
async fn show_as_stranger(
    node: &Node,
    peer: &PeerAddress,
    did: Did,
    log: &Log,
) -> Result<u64, Error> {
    let mut link = node.dial(peer, Protocol::Sync).await?;
    link.send(codec::encode(&(1u8, did.to_string()))?).await?;
    link.receive().await?.ok_or("it hung up")?;
    let part = (2u8, ByteBuf::from(log.to_car()?), true, None::<ByteBuf>);
    link.send(codec::encode(&part)?).await?;
    link.receive().await?.ok_or("it hung up")?;
    Ok(1)
}

/// Sends what nobody can read for as long as it is listened to.
async fn garbage(node: &Node, peer: &PeerAddress, did: Did, n: u64) -> Result<u64, Error> {
    let mut link = greet(node, peer, &did).await?;
    let mut sent = 0;
    for size in [1, 40, 1000, 60_000, 1 << 20] {
        let mut bytes = vec![0; size];
        blake3::Hasher::new()
            .update(&n.to_be_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        if link.send(bytes).await.is_err() {
            break;
        }
        sent += 1;
    }
    Ok(sent)
}

/// Begins a session, waits for the first answer and is gone.
async fn begin(node: &Node, peer: &PeerAddress, did: Did) -> Result<u64, Error> {
    let mut link = greet(node, peer, &did).await?;
    link.receive().await?.ok_or("it hung up")?;
    Ok(1)
}

/// Gives the peer commits and certificates, all of them right, as fast as it takes them.
async fn push(
    node: &Node,
    peer: &PeerAddress,
    mut person: Person,
    done: &Done,
) -> Result<(), Error> {
    let sealed = Sealed::open(Arc::new(MemoryKv::new()), SealedOptions::default())?;
    let pod = person.settle(&sealed, u64::MAX)?;
    let mut maker = Maker::new(SEED + 2);
    loop {
        let mut store = pod.store(0);
        let commits = (0..COMMITS).map(|n| person.write(&format!("{n}")));
        store.take_commits(commits.collect::<Result<_, _>>()?)?;
        let certificates = (0..CERTIFICATES).map(|_| maker.one_more(&person));
        store.take_certificates(certificates.collect::<Result<_, _>>()?)?;
        let attempt = async {
            let mut link = greet(node, peer, &person.did()).await?;
            exchange(&mut link, &mut store).await
        };
        if attempt.await.is_err() {
            done.turned_away.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let (commits, certificates) = (COMMITS as u64, CERTIFICATES as u64);
        done.commits.fetch_add(commits, Ordering::Relaxed);
        done.certificates.fetch_add(certificates, Ordering::Relaxed);
    }
}
