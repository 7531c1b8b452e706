//! What sealing and exchanging blobs costs, beside the hash and the cipher alone:
//! `cargo run --release -p rhizome-blob --example transfer_cost [DIR]`.
//!
//! MB/s of this thread's CPU time (Linux), and of the clock on the wall.

use std::{env, error::Error, fs, hint::black_box, io, path::PathBuf, time::Instant};

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use rhizome_blob::{
    Answer, BlobKeys, BlobStore, Fetch, Held, Holding, Limits, OpeningWriter, Push, RangeRead,
    Request, Sealed, SealedBlob, SealedReader, SealedStore, serve,
};

const LEN: usize = 256 << 20;
const LIMITS: Limits = Limits {
    max_len: u64::MAX,
    may_put: true,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}

fn cost<T>(name: &str, act: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let out = black_box(act()?);
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    let speed = |seconds: f64| LEN as f64 / 1e6 / seconds;
    println!(
        "{name:44} {:8.0} MB/s cpu {:8.0} MB/s wall",
        speed(cpu),
        speed(wall)
    );
    Ok(out)
}

/// Both sides in this thread, every message as bytes.
fn answer(request: &Request, holding: Holding<'_>) -> Outcome<Answer> {
    let request = Request::from_bytes(&request.to_bytes()?)?;
    let answer = serve(request, holding, LIMITS).answer;
    Ok(Answer::from_bytes(&answer.to_bytes()?)?)
}

fn fetch(mut fetch: Fetch, holding: Holding<'_>) -> Outcome<()> {
    while let Some(request) = fetch.request() {
        fetch.handle(answer(&request, holding)?)?;
    }
    assert!(fetch.is_done());
    Ok(())
}

fn push(mut push: Push, holding: Holding<'_>) -> Outcome<()> {
    while let Some(request) = push.request()? {
        push.handle(&answer(&request, holding)?)?;
    }
    assert!(push.is_done());
    Ok(())
}

fn main() -> Outcome<()> {
    let directory = env::args_os()
        .nth(1)
        .map_or_else(env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(directory)?;
    let store = |name: &str| BlobStore::in_directory(directory.path().join(name));
    let mut bytes = vec![0; LEN];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);

    cost("blake3 alone", || Ok(blake3::hash(&bytes)))?;
    cost("XChaCha20-Poly1305 alone, 64 KiB at a time", || {
        let cipher = XChaCha20Poly1305::new(&[7; 32].into());
        let mut buffer = vec![0; 64 << 10];
        for part in bytes.chunks_exact(buffer.len()) {
            buffer.copy_from_slice(part);
            let nonce = XNonce::from([1; 24]);
            let tag = cipher.encrypt_inout_detached(&nonce, b"", buffer.as_mut_slice().into());
            black_box(tag.map_err(|_| "too long")?);
        }
        Ok(())
    })?;

    let laptop = store("laptop")?;
    let cid = cost("put of the file", || {
        Ok(laptop.put(&bytes[..], u64::MAX)?.0)
    })?;
    let keys = BlobKeys::from_epoch(&[1; 32]);
    let key = || keys.key(&cid);
    let ciphertext = cost("SealedReader", || {
        let mut out = Vec::with_capacity(LEN + LEN / 1000);
        io::copy(&mut SealedReader::new(&bytes[..], &key()?), &mut out)?;
        Ok(out)
    })?;
    cost("OpeningWriter", || {
        let mut out = OpeningWriter::new(io::sink(), &key()?);
        io::copy(&mut &ciphertext[..], &mut out)?;
        out.finish()?;
        Ok(())
    })?;
    drop(ciphertext);
    cost("both sides: fetch between devices", || {
        let tablet = store("tablet")?;
        fetch(
            Fetch::plain(&tablet, &cid, u64::MAX)?,
            Holding::Plain(&laptop),
        )
    })?;
    let cloud = SealedStore::in_directory(directory.path().join("cloud"), u64::MAX)?;
    let sealed = cost("hash of the sealed form", || {
        Ok(SealedBlob::new(laptop.open(&cid)?, &key()?)?)
    })?;
    let (root, len) = (sealed.root(), sealed.len());
    cost("both sides: push to a sealed peer", || {
        push(
            Push::sealed(keys.name(&cid)?, sealed),
            Holding::Sealed(&cloud),
        )
    })?;
    let held = || {
        Ok::<_, Box<dyn Error>>(Sealed {
            held: Held {
                root: root.hash().digest().try_into()?,
                len,
            },
            key: key()?,
        })
    };
    cost("both sides: fetch from a sealed peer", || {
        let phone = store("phone")?;
        let one = Fetch::sealed(&phone, &cid, vec![held()?], u64::MAX)?;
        fetch(one, Holding::Sealed(&cloud))
    })?;
    cost("both sides: read all in ranges of it", || {
        let mut range = RangeRead::sealed(&cid, &held()?, 0, u64::MAX)?;
        while let Some(request) = range.request() {
            black_box(range.handle(answer(&request, Holding::Sealed(&cloud))?)?);
        }
        Ok(())
    })?;
    Ok(())
}
