//! How much memory and time hosted pods take: 10,000 of them (or as many as the first argument says) with a normal device log, two
//! devices, four processes and three epochs, in a redb store on disk.
//!
//! `cargo run --release -p rhizome-sealed --example idle_pods`

use rhizome_identity::{
    Create, Device, Enrol, Genesis, KemKey, KemSecret, Log, RecoveryWords, Role, Secret,
};
use rhizome_ipld::SigningKey;
use rhizome_sealed::{Sealed, SealedOptions};
use rhizome_share::{Certificate, Certificates, Epoch};
use rhizome_storage::{Kv, RedbKv, RedbOptions};
use rhizome_sync::Store;
use std::{error::Error, fs, path::Path, process::Command, sync::Arc, time::Instant};

/// Where the store to be measured is.
const FILE: &str = "RHIZOME_IDLE_PODS_FILE";

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes of memory that are this process's own and not a file's.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("RssAnon:"));
    let number = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok());
    number.unwrap_or(0) << 10
}

struct Maker {
    /// Keys for receiving secrets take long to make: all pods have the same three.
    kems: [KemKey; 3],
    n: u64,
}

impl Maker {
    fn random(&mut self, out: &mut [u8]) {
        self.n += 1;
        let mut hash = blake3::Hasher::new();
        hash.update(&self.n.to_be_bytes());
        hash.finalize_xof().fill(out);
    }

    fn key(&mut self) -> SigningKey {
        let mut seed = [0; 32];
        self.random(&mut seed);
        SigningKey::from_seed(seed)
    }

    /// A pod of two devices with two processes each, and three epochs.
    fn pod(&mut self) -> Done<Certificates> {
        let (laptop, phone) = (self.key(), self.key());
        let words = RecoveryWords::generate(&mut |out| self.random(out));
        let create = Create::one_device(
            laptop.public(),
            self.kems[0].clone(),
            vec![words.policy()],
            vec![],
            &mut |out| self.random(out),
        );
        let mut set = Certificates::new(Genesis::create(create, &[&laptop])?)?;
        let device = Device {
            key: phone.public(),
            kem: self.kems[1].clone(),
            role: Role::Member,
        };
        let mut proposal = set.log().add_device(&laptop.public(), device)?;
        proposal.sign(&laptop)?;
        proposal.sign(&phone)?;
        set.add(Certificate::Operation(Box::new(proposal.complete()?)))?;
        for device in [&laptop, &laptop, &phone, &phone] {
            let process = self.key().public();
            let add = set.resolution().device(&device.public());
            let add = add.map(|a| a.incarnation.add);
            let mut random = |out: &mut [u8]| self.random(out);
            let enrol = Enrol::sign(set.did(), device, add, process, &mut random)?;
            set.add(Certificate::Enrol(Box::new(enrol)))?;
        }
        for _ in 0..3 {
            let recovery = Some(vec![self.kems[2].clone()]);
            let plan = set.plan(&laptop.public(), None, recovery)?;
            let mut random = |out: &mut [u8]| self.random(out);
            let secret = Secret::random(&mut random);
            let epoch = Epoch::sign(plan, &secret, &[], &laptop, &mut random)?;
            set.add(Certificate::Epoch(Box::new(epoch)))?;
        }
        Ok(set)
    }
}

fn open(file: &Path, loaded_bytes: usize) -> Done<(Arc<dyn Kv>, Sealed)> {
    let mut options = RedbOptions::default();
    options.cache_bytes = 8 << 20;
    let kv: Arc<dyn Kv> = Arc::new(RedbKv::open_with(file, options)?);
    let sealed = Sealed::open(Arc::clone(&kv), SealedOptions { loaded_bytes })?;
    Ok((kv, sealed))
}

fn main() -> Done<()> {
    let argument = std::env::args().nth(1);
    if let Some(file) = std::env::var_os(FILE) {
        return measure(Path::new(&file));
    }
    let pods: u64 = argument.map_or(Ok(10_000), |n| n.parse())?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("sealed.redb");
    make(&file, pods)?;
    // in a process that has not allocated anything yet
    let status = Command::new(std::env::current_exe()?)
        .env(FILE, &file)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the measurement failed".into())
    }
}

fn make(file: &Path, pods: u64) -> Done<()> {
    let kem = |n| KemSecret::from_seed(Secret::take(&mut [n; 32])).public();
    let mut maker = Maker {
        kems: [kem(1), kem(2), kem(3)],
        n: 0,
    };
    let (_kv, sealed) = open(file, 1 << 20)?;
    let clock = Instant::now();
    let mut bytes = 0;
    for _ in 0..pods {
        let set = maker.pod()?;
        let log = Log::new(set.log().genesis().clone())?;
        sealed.host(&log, 10 << 30, 0)?;
        let pod = sealed.pod(&set.did())?.ok_or("hosted")?;
        let all: Vec<Vec<u8>> = set
            .ids()
            .filter_map(|id| set.get(&id)?.to_bytes().ok())
            .collect();
        bytes += all.iter().map(Vec::len).sum::<usize>();
        pod.store(0).take_certificates(all)?;
    }
    println!(
        "{pods} pods hosted in {:.1} s, {} bytes of certificates each",
        clock.elapsed().as_secs_f64(),
        bytes as u64 / pods
    );
    Ok(())
}

fn measure(file: &Path) -> Done<()> {
    let before = resident();
    let clock = Instant::now();
    let (kv, sealed) = open(file, 0)?;
    println!("opened in {:.2} ms", clock.elapsed().as_secs_f64() * 1e3);
    println!(
        "hosted: {} bytes of memory for all of them",
        resident().saturating_sub(before)
    );
    let list = sealed.pods()?;
    let pods = list.len() as u64;
    println!("on disk: {} bytes a pod", kv.size_on_disk()? / pods);
    // fills the engine's cache, 8 MiB, and keeps no pod
    for usage in &list {
        sealed.pod(&usage.did)?;
    }
    drop(sealed);
    let options = SealedOptions {
        loaded_bytes: 1 << 30,
    };
    let sealed = Sealed::open(kv, options)?;
    let before = resident();
    let clock = Instant::now();
    for usage in &list {
        sealed.pod(&usage.did)?;
    }
    let took = clock.elapsed();
    let (count, weight) = sealed.in_use();
    println!(
        "loaded: {count} pods, {} bytes of memory each ({} by our own count), {:.0} us each",
        resident().saturating_sub(before) / pods,
        weight as u64 / pods,
        took.as_secs_f64() * 1e6 / pods as f64
    );
    let some: Vec<_> = list.iter().take(200).collect();
    let clock = Instant::now();
    let mut stores = Vec::new();
    for usage in &some {
        let store = sealed.pod(&usage.did)?.ok_or("hosted")?.store(0);
        assert_eq!(store.certificates()?.len(), 9);
        stores.push(store);
    }
    println!(
        "a session begun: {:.0} us",
        clock.elapsed().as_secs_f64() * 1e6 / some.len() as f64
    );
    let before = resident();
    let clock = Instant::now();
    for store in &stores {
        store.pod().with_certificates(Certificates::len)?;
    }
    println!(
        "certificates verified and in memory: {} bytes, {:.0} us each",
        resident().saturating_sub(before) / stores.len() as u64,
        clock.elapsed().as_secs_f64() * 1e6 / stores.len() as f64
    );
    Ok(())
}
