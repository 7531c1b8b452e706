//! Peers that lie, to a fetch, a push and two reads of ranges: an error, or the very bytes.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rhizome_blob::{
    Answer, BlobKeys, BlobStore, Cid, Fetch, Held, Holding, Limits, Push, RangeRead, Refusal,
    Request, Sealed, SealedBlob, SealedStore, Slice, serve,
};
use tempfile::TempDir;

const LEN: usize = 150_000;

struct Sample {
    directory: TempDir,
    plain: BlobStore,
    sealed: SealedStore,
    keys: BlobKeys,
    cid: Cid,
    bytes: Vec<u8>,
    held: Held,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let plain = BlobStore::in_directory(directory.path().join("plain")).expect("a store");
    let sealed =
        SealedStore::in_directory(directory.path().join("sealed"), u64::MAX).expect("a store");
    let bytes: Vec<u8> = (0..LEN as u32)
        .map(|i| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect();
    let cid = plain.put_bytes(&bytes).expect("stored");
    let keys = BlobKeys::from_epoch(&[1; 32]);
    let key = keys.key(&cid).expect("a blob");
    let blob = SealedBlob::new(plain.open(&cid).expect("there"), &key).expect("sealed");
    let held = Held {
        root: blob.root().hash().digest().try_into().expect("32 bytes"),
        len: blob.len(),
    };
    let mut push = Push::sealed(keys.name(&cid).expect("a blob"), blob);
    while let Some(request) = push.request().expect("readable") {
        push.handle(&honest(request, Holding::Sealed(&sealed)))
            .expect("taken");
    }
    Sample {
        directory,
        plain,
        sealed,
        keys,
        cid,
        bytes,
        held,
    }
});

fn honest(request: Request, holding: Holding<'_>) -> Answer {
    let limits = Limits {
        max_len: u64::MAX,
        may_put: true,
    };
    serve(request, holding, limits).answer
}

/// An answer after six bytes of what to do to it.
fn answer(request: Request, holding: Holding<'_>, lie: [u8; 6]) -> Answer {
    let number = u32::from_le_bytes([lie[1], lie[2], lie[3], lie[4]]);
    let good = honest(request, holding);
    match (lie[0] % 12, good) {
        (1, Answer::Slice { len, slice }) => Answer::Slice {
            len: len.wrapping_add_signed(i64::from(number as i32)),
            slice,
        },
        (2, Answer::Slice { len, mut slice }) => {
            let at = number as usize % slice.0.len().max(1);
            if let Some(byte) = slice.0.get_mut(at) {
                *byte ^= lie[5];
            }
            Answer::Slice { len, slice }
        }
        (3, Answer::Slice { len, mut slice }) => {
            slice.0.truncate(number as usize % (slice.0.len() + 1));
            Answer::Slice { len, slice }
        }
        (4, Answer::Slice { len, mut slice }) => {
            slice.0.push(lie[5]);
            Answer::Slice { len, slice }
        }
        (5, _) => Answer::Missing,
        (6, _) => Answer::Next(u64::from(number)),
        (7, _) => Answer::Done,
        (8, _) => Answer::Refused(Refusal::Busy),
        (9, _) => Answer::Slice {
            len: u64::from(number) << (lie[5] % 32),
            slice: Slice::default(),
        },
        (_, good) => good,
    }
}

fuzz_target!(|data: &[u8]| {
    let sample = &*SAMPLE;
    let Some(((what, range), lies)) = data
        .split_first()
        .and_then(|(what, rest)| Some((*what, rest.split_first_chunk::<6>()?)))
        .map(|(what, (range, lies))| ((what, range), lies))
    else {
        return;
    };
    let mut lies = lies.as_chunks::<6>().0.iter().copied();
    let (plain, sealed) = (
        Holding::Plain(&sample.plain),
        Holding::Sealed(&sample.sealed),
    );
    let found = || Sealed {
        held: sample.held,
        key: sample.keys.key(&sample.cid).expect("a blob"),
    };
    let here = tempfile::tempdir_in(sample.directory.path()).expect("a directory");
    let offset = u64::from(u32::from_le_bytes([range[0], range[1], range[2], 0])) % 200_000;
    let len = u64::from(u32::from_le_bytes([range[3], range[4], range[5], 0])) % 200_000;
    match what % 5 {
        kind @ 0..=1 => {
            let store = BlobStore::in_directory(here.path()).expect("a store");
            let mut fetch = if kind == 0 {
                Fetch::plain(&store, &sample.cid, 1 << 20).expect("begun")
            } else {
                Fetch::sealed(&store, &sample.cid, vec![found(), found()], 1 << 20).expect("begun")
            };
            let holding = if kind == 0 { plain } else { sealed };
            while let Some(request) = fetch.request() {
                let lie = lies.next().unwrap_or_default();
                if fetch.handle(answer(request, holding, lie)).is_err() {
                    assert!(fetch.request().is_none());
                    break;
                }
            }
            if fetch.is_done() {
                let got = store.open(&sample.cid).expect("there");
                assert!(got.read_range(0, u64::MAX).expect("sound") == sample.bytes);
            } else {
                assert_eq!(store.iter().count(), 0);
            }
        }
        2 => {
            let store = BlobStore::in_directory(here.path()).expect("a store");
            let mut push = Push::plain(sample.plain.open(&sample.cid).expect("there"));
            let mut steps = 0;
            while let Some(request) = push.request().expect("readable") {
                let lie = lies.next().unwrap_or_default();
                if push
                    .handle(&answer(request, Holding::Plain(&store), lie))
                    .is_err()
                {
                    break;
                }
                steps += 1;
                assert!(steps < 100, "it ends");
            }
            for blob in store.iter() {
                store.verify(&blob.expect("listed").0).expect("sound");
            }
        }
        kind => {
            let mut read = if kind == 3 {
                RangeRead::plain(&sample.cid, offset, len).expect("begun")
            } else {
                RangeRead::sealed(&sample.cid, &found(), offset, len).expect("begun")
            };
            let holding = if kind == 3 { plain } else { sealed };
            let mut got = Vec::new();
            let mut failed = false;
            while let Some(request) = read.request() {
                let lie = lies.next().unwrap_or_default();
                match read.handle(answer(request, holding, lie)) {
                    Ok(bytes) => got.extend(bytes),
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
            let cut = |at: u64| (at as usize).min(LEN);
            let expected = &sample.bytes[cut(offset)..cut(offset + len)];
            assert!(expected.starts_with(&got));
            assert!(failed || got == expected);
        }
    }
});
