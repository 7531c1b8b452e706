//! Epoch certificates: who opens them, and which are refused.

use rhizome_identity::{Did, KemSecret, Secret};
use rhizome_ipld::{Signed, SigningKey, Verified, cid_sha256, codec};
use rhizome_share::{Epoch, MAX_BEFORE, Plan, ShareError};
use rhizome_tuple::EpochSecret;

/// Random enough for tests, and the same every time.
fn random(seed: u8) -> impl FnMut(&mut [u8]) {
    let mut n = 0u64;
    move |out| {
        n += 1;
        let mut hash = blake3::Hasher::new();
        hash.update(&[seed]).update(&n.to_be_bytes());
        hash.finalize_xof().fill(out);
    }
}

struct Device {
    key: SigningKey,
    kem: KemSecret,
}

impl Device {
    fn new(seed: u8) -> Self {
        let mut random = random(seed);
        Self {
            key: SigningKey::from_seed([seed; 32]),
            kem: KemSecret::from_seed(Secret::random(&mut random)),
        }
    }
}

fn plan(devices: &[&Device], recovery: &[&KemSecret]) -> Plan {
    let genesis = cid_sha256(b"genesis");
    Plan {
        pod: Did::from_genesis(&genesis).unwrap(),
        add: genesis,
        log: vec![genesis],
        before: vec![],
        devices: devices
            .iter()
            .map(|d| (d.key.public(), d.kem.public()))
            .collect(),
        recovery: recovery.iter().map(|k| k.public()).collect(),
    }
}

fn secret(n: u8) -> Secret {
    Secret::take(&mut [n; 32])
}

#[test]
fn recipients_open_it_and_others_do_not() {
    let (a, b, thief) = (Device::new(1), Device::new(2), Device::new(3));
    let words = Device::new(4).kem;
    let old = [secret(8), secret(9)];
    let certificate = Epoch::sign(
        plan(&[&a, &b], &[&words]),
        &secret(7),
        &[&old[0], &old[1]],
        &a.key,
        &mut random(9),
    )
    .unwrap();
    let bytes = certificate.to_bytes();
    let read: Verified<Epoch> = Signed::from_bytes(&bytes).unwrap().verify().unwrap();
    read.check().unwrap();
    for device in [&a, &b] {
        let opened = read.open(&device.key.public(), &device.kem).unwrap();
        assert_eq!(opened.expose(), &[7; 32]);
        assert_eq!(read.epoch, EpochSecret::new(&[7; 32]).id());
        let mut past = read.open_past(&opened);
        past.sort_by_key(|(_, s)| *s.expose());
        let past: Vec<_> = past.iter().map(|(_, s)| s.expose()).collect();
        assert_eq!(past, [&[8; 32], &[9; 32]]);
    }
    assert_eq!(read.open_recovery(&words).unwrap().expose(), &[7; 32]);
    assert!(matches!(
        read.open(&thief.key.public(), &thief.kem),
        Err(ShareError::Wrap)
    ));
    assert!(read.open(&a.key.public(), &thief.kem).is_err());
    assert!(read.open_recovery(&thief.kem).is_err());
    assert!(read.open_past(&secret(6)).is_empty());
    // nothing of a secret stands in it
    for plain in [[7u8; 32], [8; 32], [9; 32]] {
        assert!(!bytes.windows(32).any(|w| w == plain));
    }
}

#[test]
fn a_wrap_of_another_epoch_or_pod_does_not_pass() {
    let a = Device::new(1);
    let one = Epoch::sign(plan(&[&a], &[]), &secret(1), &[], &a.key, &mut random(1)).unwrap();
    let two = Epoch::sign(plan(&[&a], &[]), &secret(2), &[], &a.key, &mut random(2)).unwrap();
    // the wrap of one epoch in the certificate of another
    let mut mixed = one.clone().into_payload();
    mixed.wraps = two.wraps.clone();
    let mixed = Verified::sign(mixed, &a.key).unwrap();
    assert!(mixed.open(&a.key.public(), &a.kem).is_err());
    // the certificate under another pod
    let mut moved = one.into_payload();
    moved.pod = Did::from_genesis(&cid_sha256(b"another")).unwrap();
    let moved = Verified::sign(moved, &a.key).unwrap();
    assert!(moved.open(&a.key.public(), &a.kem).is_err());
}

#[test]
fn what_breaks_the_format_is_refused() {
    let (a, b) = (Device::new(1), Device::new(2));
    let good = Epoch::sign(
        plan(&[&a, &b], &[]),
        &secret(1),
        &[&secret(2)],
        &a.key,
        &mut random(1),
    )
    .unwrap()
    .into_payload();
    good.check().unwrap();
    let breaks: [fn(&mut Epoch); 6] = [
        |e| e.log.clear(),
        |e| e.log = vec![e.log[0]; 2],
        |e| e.wraps.reverse(),
        |e| e.wraps[0].1 = vec![0; 2000].into(),
        |e| e.past[0].1 = vec![0; 47].into(),
        |e| e.before = vec![serde_bytes::ByteArray::new([1; 32]); MAX_BEFORE + 1],
    ];
    for (i, f) in breaks.iter().enumerate() {
        let mut bad = good.clone();
        f(&mut bad);
        assert!(matches!(bad.check(), Err(ShareError::Epoch(_))), "{i}");
    }
    let mut many = plan(&[], &[]);
    many.log = (0..=MAX_BEFORE as u8).map(|n| cid_sha256(&[n])).collect();
    let refused = Epoch::sign(many, &secret(1), &[], &a.key, &mut random(1));
    assert!(matches!(refused, Err(ShareError::Epoch(_))));
}

#[test]
fn the_certificate_of_a_person_with_a_few_devices_is_small() {
    let devices: Vec<Device> = (1..=4).map(Device::new).collect();
    let devices: Vec<&Device> = devices.iter().collect();
    let words = Device::new(9).kem;
    let certificate = Epoch::sign(
        plan(&devices, &[&words]),
        &secret(1),
        &[],
        &devices[0].key,
        &mut random(1),
    )
    .unwrap();
    let bytes = codec::encode(&*certificate).unwrap().len();
    assert!(bytes < 8 << 10, "{bytes}");
}
