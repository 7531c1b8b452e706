//! The key store is killed in the middle of saving, again and again: what was acknowledged is there, and the file is whole.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rhizome_identity::{KeyStore, Secret};

use crate::random;

const DIRECTORY: &str = "KEYSTORE_CRASH_DIRECTORY";
const ROUNDS: u64 = 60;

/// The process that is killed: it adds epochs one by one and says so after each save. A test only by name, idle unless asked.
#[test]
fn saver() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let mut random = random(u64::from(std::process::id()));
    let mut store = KeyStore::open(Path::new(&directory), "").unwrap();
    let first = store.epochs().count() as u64;
    for number in first.. {
        store
            .add_epoch(number.to_be_bytes(), Secret::random(&mut random))
            .unwrap();
        store.save(&mut random).unwrap();
        println!("\nsaved {number}");
    }
}

#[test]
fn killed_while_saving() {
    let home = tempfile::TempDir::new().unwrap();
    let keys = home.path().join("keys");
    let device = KeyStore::create(&keys, "", &mut random(1))
        .unwrap()
        .device()
        .public();
    let mut acknowledged = None;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "keystore_crash::saver",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(DIRECTORY, &keys)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut see = |line: std::io::Result<String>| {
            if let Some(number) = line.unwrap().strip_prefix("saved ") {
                acknowledged = Some(number.parse::<u64>().unwrap());
                true
            } else {
                false
            }
        };
        // Let it save at least once, then kill it at some moment of a later save.
        while !see(lines.next().expect("the saver ended by itself")) {}
        std::thread::sleep(Duration::from_micros(round * 97 % 3000));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            see(line);
        }
        let store = KeyStore::open(&keys, "").unwrap();
        assert_eq!(store.device().public(), device);
        let saved = store.epochs().count() as u64;
        let least = acknowledged.map_or(0, |n| n + 1);
        assert!((least..=least + 1).contains(&saved), "{saved} of {least}");
        let names: Vec<u64> = store.epochs().map(|(n, _)| u64::from_be_bytes(n)).collect();
        assert!(names.into_iter().eq(0..saved));
    }
}
