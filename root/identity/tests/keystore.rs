//! The key store: contents, passphrases, damage, permissions, two writers.

use std::fs;
use std::path::{Path, PathBuf};

use rhizome_identity::{
    Create, Genesis, IdentityError, KeyStore, Protection, RecoveryWords, Secret,
};
use tempfile::TempDir;

use crate::random;

const FILE: &str = "keystore";

/// A place for a key store that does not exist yet.
fn place() -> (TempDir, PathBuf) {
    let home = TempDir::new().unwrap();
    let keys = home.path().join("keys");
    (home, keys)
}

/// A key store with one of everything.
fn full(directory: &Path, passphrase: &str) -> KeyStore {
    let random = &mut random(1);
    let mut store = KeyStore::create(directory, passphrase, random).unwrap();
    let words = RecoveryWords::generate(random);
    let device = store.device();
    let create = Create::one_device(
        device.public(),
        store.kem().public(),
        vec![words.policy()],
        vec![],
        random,
    );
    store
        .set_genesis(Genesis::create(create, &[&device]).unwrap())
        .unwrap();
    store.keep_words(words);
    store.add_epoch([1; 8], Secret::random(random)).unwrap();
    store.add_epoch([2; 8], Secret::random(random)).unwrap();
    // another of the same name; and once more the same
    let mut twice = [9; 32];
    for new in [true, false] {
        let again = Secret::take(&mut twice.clone());
        assert_eq!(store.add_epoch([1; 8], again).unwrap(), new);
    }
    twice.fill(0);
    store.enrol("cli", random).unwrap();
    store.enrol("daemon", random).unwrap();
    store.save(random).unwrap();
    store
}

fn same(a: &KeyStore, b: &KeyStore) {
    assert_eq!(a.device().public(), b.device().public());
    assert_eq!(a.kem().public(), b.kem().public());
    assert_eq!(a.genesis(), b.genesis());
    let epochs = |s: &KeyStore| {
        s.epochs()
            .map(|(n, e)| (n, *e.expose()))
            .collect::<Vec<_>>()
    };
    assert_eq!(epochs(a), epochs(b));
    let processes = |s: &KeyStore| {
        s.processes()
            .map(|(name, key)| {
                let process = s.process(name).unwrap();
                assert_eq!(process.key.public(), key);
                (name.to_owned(), process.enrol.to_bytes())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(processes(a), processes(b));
    let words = |s: &KeyStore| s.unconfirmed_words().map(|w| w.phrase().to_string());
    assert_eq!(words(a), words(b));
}

#[test]
fn everything_comes_back() {
    for passphrase in ["", "correct horse"] {
        let (_home, keys) = place();
        assert!(!KeyStore::exists(&keys));
        let store = full(&keys, passphrase);
        assert!(KeyStore::exists(&keys));
        let again = KeyStore::open(&keys, passphrase).unwrap();
        same(&store, &again);
        assert_eq!(again.epochs().count(), 3);
        let expected = if passphrase.is_empty() {
            Protection::PermissionsOnly
        } else {
            Protection::Passphrase
        };
        assert_eq!(again.protection(), expected);
        assert_eq!(KeyStore::protection_of(&keys).unwrap(), expected);
    }
}

#[test]
fn passphrases() {
    let (_home, keys) = place();
    let mut store = full(&keys, "first");
    for wrong in ["", "First", "first "] {
        let result = KeyStore::open(&keys, wrong);
        assert!(matches!(result, Err(IdentityError::WrongPassphrase)));
    }
    // An accented letter in one or two code points is one passphrase.
    store.set_passphrase("caf\u{e9}", &mut random(2)).unwrap();
    store.save(&mut random(3)).unwrap();
    same(&store, &KeyStore::open(&keys, "cafe\u{301}").unwrap());
    assert!(KeyStore::open(&keys, "first").is_err());

    store.set_passphrase("", &mut random(4)).unwrap();
    store.save(&mut random(5)).unwrap();
    same(&store, &KeyStore::open(&keys, "").unwrap());
    assert!(matches!(
        KeyStore::open(&keys, "first"),
        Err(IdentityError::NoPassphrase)
    ));
}

#[test]
fn no_secret_is_in_the_clear() {
    let (_home, keys) = place();
    let store = full(&keys, "");
    let file = fs::read(keys.join(FILE)).unwrap();
    let mut secrets: Vec<[u8; 32]> = store.epochs().map(|(_, s)| *s.expose()).collect();
    secrets.push(*store.kem().seed().expose());
    secrets.push(*store.unconfirmed_words().unwrap().entropy().expose());
    for secret in secrets {
        assert!(!file.windows(8).any(|w| w == &secret[..8]));
    }
}

#[test]
fn words_go_once_confirmed() {
    let (_home, keys) = place();
    let mut store = full(&keys, "");
    let phrase = store.unconfirmed_words().unwrap().phrase();
    let wrong = RecoveryWords::generate(&mut random(77));
    assert!(matches!(
        store.confirm_words(&wrong),
        Err(IdentityError::OtherWords)
    ));
    assert!(store.unconfirmed_words().is_some());
    store
        .confirm_words(&RecoveryWords::parse(&phrase).unwrap())
        .unwrap();
    store.save(&mut random(6)).unwrap();
    assert!(
        KeyStore::open(&keys, "")
            .unwrap()
            .unconfirmed_words()
            .is_none()
    );
}

#[test]
fn processes_are_enrolled_once() {
    let (_home, keys) = place();
    let mut store = full(&keys, "");
    let genesis = store.genesis().unwrap().clone();
    let cli = store.process("cli").unwrap();
    genesis.admit(&cli.enrol).unwrap();
    assert_eq!(cli.enrol.process, cli.key.public());
    assert_ne!(
        cli.key.public(),
        store.process("daemon").unwrap().key.public()
    );
    let again = store.enrol("cli", &mut random(8)).unwrap();
    assert_eq!(again.key.public(), cli.key.public());
    assert!(store.process("other").is_none());
    assert!(store.enrol("", &mut random(8)).is_err());
    assert!(store.forget_process("cli"));
    assert!(store.process("cli").is_none());
    assert_ne!(
        store.enrol("cli", &mut random(9)).unwrap().key.public(),
        cli.key.public()
    );

    let (_home, keys) = place();
    let mut empty = KeyStore::create(&keys, "", &mut random(1)).unwrap();
    assert!(matches!(
        empty.enrol("cli", &mut random(2)),
        Err(IdentityError::NoIdentity)
    ));
}

#[test]
fn a_genesis_of_others_is_refused() {
    let (_home, keys) = place();
    let mut store = KeyStore::create(&keys, "", &mut random(1)).unwrap();
    let other = crate::genesis::genesis(&[1]);
    assert!(matches!(
        store.set_genesis(other),
        Err(IdentityError::NotADevice { .. })
    ));
}

#[test]
fn create_does_not_overwrite() {
    let (_home, keys) = place();
    let store = full(&keys, "");
    let again = KeyStore::create(&keys, "", &mut random(9));
    assert!(matches!(again, Err(IdentityError::Exists(_))));
    same(&store, &KeyStore::open(&keys, "").unwrap());
    let (_home, keys) = place();
    assert!(matches!(
        KeyStore::open(&keys, ""),
        Err(IdentityError::Missing(_))
    ));
}

#[test]
fn the_second_of_two_writers_is_told() {
    let (_home, keys) = place();
    let mut one = full(&keys, "");
    let mut two = KeyStore::open(&keys, "").unwrap();
    one.add_epoch([7; 8], Secret::random(&mut random(1)))
        .unwrap();
    one.save(&mut random(2)).unwrap();
    two.add_epoch([8; 8], Secret::random(&mut random(3)))
        .unwrap();
    assert!(matches!(
        two.save(&mut random(4)),
        Err(IdentityError::Changed)
    ));
    same(&one, &KeyStore::open(&keys, "").unwrap());
    one.save(&mut random(5)).unwrap();
}

#[test]
fn every_truncation_is_named() {
    let (_home, keys) = place();
    full(&keys, "");
    let path = keys.join(FILE);
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        let result = KeyStore::open(&keys, "");
        assert!(
            matches!(result, Err(IdentityError::Truncated)),
            "{len} bytes"
        );
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert!(matches!(
        KeyStore::open(&keys, ""),
        Err(IdentityError::Damaged)
    ));
    fs::write(&path, &whole).unwrap();
    KeyStore::open(&keys, "").unwrap();
}

#[test]
fn every_changed_byte_is_noticed() {
    let (_home, keys) = place();
    full(&keys, "");
    let path = keys.join(FILE);
    let whole = fs::read(&path).unwrap();
    for i in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut bad = whole.clone();
            bad[i] ^= bit;
            fs::write(&path, &bad).unwrap();
            let error = KeyStore::open(&keys, "").err();
            let expected = match i {
                0..6 => matches!(error, Some(IdentityError::NotAKeyStore(_))),
                6 => matches!(error, Some(IdentityError::Version(_))),
                // "Passphrase" instead of "permissions only": the empty one is then the wrong one, or the value is unknown.
                7 => error.is_some(),
                8..16 => matches!(
                    error,
                    Some(IdentityError::Costs { .. } | IdentityError::Damaged)
                ),
                76..80 => matches!(
                    error,
                    Some(IdentityError::Truncated | IdentityError::Damaged)
                ),
                _ => matches!(error, Some(IdentityError::Damaged)),
            };
            assert!(expected, "byte {i} bit {bit:#x}: {error:?}");
        }
    }
}

/// A file that asks for a terabyte of memory is refused before anything is allocated.
#[test]
fn costs_are_bounded() {
    let (_home, keys) = place();
    full(&keys, "");
    let path = keys.join(FILE);
    let whole = fs::read(&path).unwrap();
    for (at, value) in [(8, u32::MAX), (8, 0), (12, u32::MAX), (12, 0)] {
        let mut bad = whole.clone();
        bad[at..at + 4].copy_from_slice(&value.to_be_bytes());
        fs::write(&path, &bad).unwrap();
        assert!(matches!(
            KeyStore::open(&keys, ""),
            Err(IdentityError::Costs { .. })
        ));
    }
    fs::write(&path, vec![0; (1 << 20) + 1]).unwrap();
    assert!(matches!(
        KeyStore::open(&keys, ""),
        Err(IdentityError::NotAKeyStore(_))
    ));
}

#[cfg(unix)]
#[test]
fn permissions() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let (_home, keys) = place();
    let mut store = full(&keys, "");
    let file = keys.join(FILE);
    assert_eq!(mode(&keys), 0o700);
    for entry in fs::read_dir(&keys).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    for open in [0o640, 0o604, 0o660, 0o601] {
        set(&file, open);
        let error = KeyStore::open(&keys, "").err().unwrap();
        assert!(matches!(&error, IdentityError::TooOpen { path, .. } if *path == file));
        assert!(error.to_string().contains("chmod 600"), "{error}");
        assert!(store.save(&mut random(1)).is_err());
    }
    set(&file, 0o600);
    for open in [0o750, 0o705, 0o701] {
        set(&keys, open);
        let error = KeyStore::open(&keys, "").err().unwrap();
        assert!(matches!(&error, IdentityError::TooOpen { path, .. } if *path == keys));
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }
    set(&keys, 0o700);
    KeyStore::open(&keys, "").unwrap();
    // A directory that is there already and open to others is not silently used.
    let (home, keys) = place();
    fs::create_dir(&keys).unwrap();
    set(&keys, 0o755);
    assert!(matches!(
        KeyStore::create(&keys, "", &mut random(1)),
        Err(IdentityError::TooOpen { .. })
    ));
    drop(home);
}
