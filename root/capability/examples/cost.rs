//! What evaluating a policy and verifying a chain cost.
//!
//! `cargo run --release -p rhizome-capability --example cost`

use std::hint::black_box;
use std::time::Instant;

use rhizome_capability::container::{self, Framing};
use rhizome_capability::{
    CapabilityError, Context, Delegation, Executor, Invocation, Policy, Proofs, Signer, SigningKey,
};

const NOW: u64 = 1_800_000_000;

/// Nanoseconds of the fastest of many rounds: other processes can only make a round slower.
fn best(calls: u32, mut work: impl FnMut()) -> f64 {
    (0..50)
        .map(|_| {
            let start = Instant::now();
            (0..calls).for_each(|_| work());
            start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() -> Result<(), CapabilityError> {
    let keys = [1, 2, 3, 4].map(|n| SigningKey::from_seed([n; 32]));
    let [owner, first, second, device] = &keys;
    let photos = Policy::from_json(
        r#"[["==", ".entity[\"is-photo\"]", true], ["==", ".entity[\"photo-album\"]", "garibaldi"], ["<=", ".size", 1000000]]"#,
    )?;
    let grant = |from: &SigningKey, to: &SigningKey| {
        Delegation::to(to.issuer(), "/pod/tuple".parse()?)
            .subject(owner.issuer())
            .policy(photos.clone())
            .expires(NOW + 1000)
            .sign(from, b"twelve bytes")
    };
    let chain = [
        grant(owner, first)?,
        grant(first, second)?,
        grant(second, device)?,
    ];
    let entity = std::collections::BTreeMap::from([
        ("is-photo".to_owned(), true.into()),
        ("photo-album".to_owned(), "garibaldi".into()),
        ("caption".to_owned(), "A lake".into()),
    ]);
    let call = |nonce: &[u8]| {
        Invocation::on(owner.issuer(), "/pod/tuple/read".parse()?)
            .argument("entity", rhizome_capability::Ipld::Map(entity.clone()))
            .argument("size", 12_345)
            .proofs(chain.iter().map(|proof| *proof.cid()))
            .expires(NOW + 60)
            .sign(device, nonce)
    };
    let invocation = call(b"once")?;
    let mut proofs = Proofs::new();
    for proof in &chain {
        proofs.insert(Delegation::decode(proof.bytes())?);
    }
    let context = Context::at(NOW);
    context.verify(&invocation, &proofs)?;

    let policy = best(2000, || {
        black_box(photos.matches(black_box(invocation.arguments())));
    });
    let cached = best(500, || {
        let _ = black_box(context.verify(black_box(&invocation), &proofs));
    });
    let decode = best(200, || {
        let _ = black_box(Delegation::decode(black_box(chain[0].bytes())));
    });
    // As a service meets it: a new invocation each time, its proofs known.
    let count = 2000_u32;
    let messages = (0..count).map(|n| {
        let tokens = chain.iter().map(Delegation::bytes);
        let call = call(&n.to_be_bytes())?;
        container::write(Framing::Raw, tokens.chain([call.bytes()]))
    });
    let messages: Vec<Vec<u8>> = messages.collect::<Result<_, _>>()?;
    let mut executor = Executor::new(owner.issuer());
    let start = Instant::now();
    for message in &messages {
        executor.admit(message, NOW)?;
    }
    let admit = start.elapsed().as_secs_f64() * 1e9 / f64::from(count);

    println!("a policy of three statements, evaluated        {policy:8.0} ns");
    println!("a chain of three proofs, signatures known      {cached:8.0} ns");
    println!("a delegation read from bytes                   {decode:8.0} ns");
    println!("a container with a new invocation, admitted    {admit:8.0} ns");
    Ok(())
}
