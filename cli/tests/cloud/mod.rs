//! One peer that keeps very many pods, most of them idle: what they take, and whether one that misuses it is felt by the others.
//!
//! Modest as it stands. At full length, in a release build: `RHIZOME_CLOUD_PODS=10000 RHIZOME_CLOUD_SYNCING=200`.
//! Linux only: every device comes from an address of its own in 127/8, as other machines would.

mod flood;
mod people;
mod secrets;
mod trusted;

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rhizome_identity::Did;
use rhizome_ipld::SigningKey;
use rhizome_network::{Node, PeerAddress};
use rhizome_sealed::{Sealed, SealedOptions, SealedPod};
use rhizome_storage::{MemoryKv, RedbKv};
use rhizome_sync::Store;

use crate::three::Process;
use people::{Error, Maker, Person, device, exchange, greet};

const QUOTA: u64 = 64 << 20;
/// Commits that a session brings.
const NEW: usize = 3;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |n| n.parse().unwrap())
}

/// A figure of a process, in kB.
fn memory(process: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of a process.
fn processor(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks = after.skip(11).take(2).map(|n| n.parse::<u64>().unwrap());
    ticks.sum::<u64>() as f64 / 100.0
}

fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3
}

/// Somebody who exchanges: what is on his device.
struct Client {
    person: Person,
    pod: Arc<SealedPod>,
    node: Node,
    said: usize,
}

impl Client {
    /// Writes a little and exchanges; how long that took from dialling on.
    async fn sync(&mut self, peer: &PeerAddress) -> Result<Duration, Error> {
        let mut store = self.pod.store(0);
        let mut commits = Vec::new();
        for _ in 0..NEW {
            self.said += 1;
            commits.push(self.person.write(&format!("note {}", self.said))?);
        }
        store.take_commits(commits)?;
        let start = Instant::now();
        let mut link = greet(&self.node, peer, &self.person.did()).await?;
        exchange(&mut link, &mut store).await?;
        let took = start.elapsed();
        let _ = link.close().await;
        Ok(took)
    }
}

/// All of them at once, again and again.
async fn round(
    clients: Vec<Client>,
    peer: &PeerAddress,
    rounds: u64,
) -> (Vec<Client>, Vec<Duration>) {
    let start = Arc::new(tokio::sync::Barrier::new(clients.len()));
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let (peer, start) = (peer.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                let mut times = Vec::new();
                for _ in 0..rounds {
                    times.push(client.sync(&peer).await.expect("the peer takes it"));
                }
                (client, times)
            })
        })
        .collect();
    let (mut clients, mut all) = (Vec::new(), Vec::new());
    for task in tasks {
        let (client, times) = task.await.unwrap();
        clients.push(client);
        all.extend(times);
    }
    (clients, all)
}

/// Somebody comes, has nothing to say and goes.
async fn visit(key: Arc<SigningKey>, did: Did, peer: PeerAddress, number: u32) {
    let node = device(&key, number).await.unwrap();
    let link = greet(&node, &peer, &did).await.unwrap();
    let _ = link.close().await;
    node.shutdown().await.unwrap();
}

/// Makes what the peer holds.
fn fill(cloud: &Path, pods: u64) -> Vec<Person> {
    fs::create_dir_all(cloud).unwrap();
    let kv = Arc::new(RedbKv::open(cloud.join("sealed.redb")).unwrap());
    let sealed = Sealed::open(kv, SealedOptions::default()).unwrap();
    // what many write at one time is written together
    let (sealed, threads) = (&sealed, 16);
    let people = std::thread::scope(|scope| {
        let each: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut maker = Maker::new(thread);
                    let own = (thread..pods).step_by(threads as usize);
                    let settled = own.map(|_| {
                        let person = maker.person().unwrap();
                        person.settle(sealed, QUOTA).unwrap();
                        person
                    });
                    settled.collect::<Vec<_>>()
                })
            })
            .collect();
        each.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    let flooder = Maker::new(flood::SEED).person().unwrap();
    flooder.settle(sealed, QUOTA).unwrap();
    people
}

#[test]
fn many_pods_cost_little_and_one_that_floods_is_hardly_felt() {
    let pods = number("RHIZOME_CLOUD_PODS", 24);
    let syncing = number("RHIZOME_CLOUD_SYNCING", 8) as usize;
    let rounds = number("RHIZOME_CLOUD_ROUNDS", 4);
    let seconds = number("RHIZOME_CLOUD_FLOOD_SECONDS", 2);
    let full = pods >= 10_000 && syncing >= 200;
    let dir = tempfile::tempdir().unwrap();
    let cloud = dir.path().join("cloud");
    let mut people = fill(&cloud, pods);
    let keep = ["cloud-peer", "--listen", "127.0.0.1:0"];
    let peer = Process::start(&cloud, &keep);
    let id = peer.child.id();
    let address = peer.ready["address"].as_str().unwrap().to_owned();
    let (at, _) = rhizome_pod::parse_peer(&address).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let idle = memory(id, "RssAnon:");
        println!("{pods} pods on disk: {idle} kB in memory");
        // everybody was here once
        let mut next = 0;
        for some in people.chunks(16) {
            let visits = some.iter().map(|person| {
                let (key, did, at) = (Arc::clone(&person.laptop), person.did(), at.clone());
                next += 1;
                tokio::spawn(visit(key, did, at, next))
            });
            for done in visits.collect::<Vec<_>>() {
                done.await.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let visited = memory(id, "RssAnon:");
        println!(
            "all of them visited: {:.1} kB more a pod",
            visited.saturating_sub(idle) as f64 / pods as f64
        );

        let sealed = Sealed::open(Arc::new(MemoryKv::new()), SealedOptions::default()).unwrap();
        let mut clients = Vec::new();
        for (n, person) in (0..).zip(people.drain(..syncing)) {
            clients.push(Client {
                pod: person.settle(&sealed, u64::MAX).unwrap(),
                node: device(&person.laptop, n).await.unwrap(),
                person,
                said: 0,
            });
        }
        let mut open = Vec::new();
        for client in &clients {
            open.push(greet(&client.node, &at, &client.person.did()).await.unwrap());
        }
        println!(
            "{syncing} connected and idle: {:.1} kB each",
            memory(id, "RssAnon:").saturating_sub(visited) as f64 / syncing as f64
        );
        for link in open {
            let _ = link.close().await;
        }

        let (clients, _) = round(clients, &at, 1).await;
        let before = processor(id);
        let (clients, mut alone) = round(clients, &at, rounds).await;
        let cpu = (processor(id) - before) / alone.len() as f64;
        let quiet = percentile(&mut alone, 0.99);
        println!(
            "{syncing} syncing at once: median {:.1} ms, p99 {quiet:.1} ms, {:.2} ms of the peer's processor time a session",
            percentile(&mut alone, 0.5),
            cpu * 1e3,
        );

        let mut flooding = flood::start(&address).unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let before = processor(id);
        let mut beside = Vec::new();
        let (mut clients, start) = (clients, Instant::now());
        while start.elapsed() < Duration::from_secs(seconds) {
            let (back, times) = round(clients, &at, 1).await;
            beside.extend(times);
            clients = back;
        }
        assert!(flooding.try_wait().unwrap().is_none(), "the flood ended too early");
        drop(flooding.stdin.take());
        let loud = percentile(&mut beside, 0.99);
        println!(
            "beside a flood: median {:.1} ms, p99 {loud:.1} ms in {} sessions; the peer's processor time {:.1} s in {:.1} s",
            percentile(&mut beside, 0.5),
            beside.len(),
            processor(id) - before,
            start.elapsed().as_secs_f64(),
        );
        let out = tokio::task::spawn_blocking(move || flooding.wait_with_output());
        let out = out.await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&out.stdout);
        println!("{}", said.lines().find(|l| l.starts_with("flood:")).expect("what it did"));
        println!("memory of the peer after it: {} kB", memory(id, "RssAnon:"));
        if full {
            assert!(visited.saturating_sub(idle) / pods <= 64);
            assert!(loud <= 3.0 * quiet, "p99 {loud} ms beside a flood, {quiet} ms without");
        }
        // everything that was acknowledged is there after the power failed
        peer.kill();
        let kv = Arc::new(RedbKv::open(cloud.join("sealed.redb")).unwrap());
        let kept = Sealed::open(kv, SealedOptions::default()).unwrap();
        for client in &clients {
            let pod = kept.pod(&client.person.did()).unwrap().unwrap();
            assert_eq!(pod.store(0).chains().unwrap(), client.pod.store(0).chains().unwrap());
        }
        for client in clients {
            client.node.shutdown().await.unwrap();
        }
    });
    runtime.shutdown_background();
}
