//! Tests of rhizome-identity, one binary.

mod arrival;
mod authority;
mod genesis;
mod history;
mod keystore;
mod keystore_crash;
mod members;
mod oracle;
mod proposals;
mod resolver;
mod standing;
mod traps;
mod twin;
mod vectors;
mod words;

/// Reproducible randomness: BLAKE3 of a seed, as an endless stream. For tests only.
fn random(seed: u64) -> impl FnMut(&mut [u8]) {
    let mut stream = blake3::Hasher::new()
        .update(&seed.to_be_bytes())
        .finalize_xof();
    move |bytes| stream.fill(bytes)
}
