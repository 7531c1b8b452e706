//! The other side of `interop/interop.test.mjs`: mints the cases that another implementation judges, and judges those that it minted.
//!
//! `cargo run -p rhizome-capability --example interop -- mint` prints cases, `… judge` reads some and prints a verdict for each name. A case is
//! `{"name": …, "verdict": …, "proofs": [token…], "invocation": token}`, or with a `"delegation"` alone; tokens are base64.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use p256::ecdsa::signature::Signer as _;
use rhizome_capability::{
    CapabilityError, Context, Delegation, DelegationBuilder, DidKeys, Invocation, Ipld, Policy,
    Principal, Proofs, PublicKey, Signer, SigningKey,
};
use serde_json::{Map, Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ALLOWED: &str = "allowed";
const PART: &str = "/pod/tuple";
const READ: &str = "/pod/tuple/read";
/// One of each operator that is minted.
const POLICY: &str = r#"[["==", ".album", "garibaldi"], ["<=", ".size", 1000000], [">=", ".size", 1], ["<", ".size", 1000001], [">", ".size", 0],
    ["like", ".name", "*.jpg"], ["or", [["==", ".of.kind", "photo"], ["and", [["==", ".of.kind", "film"], ["==", ".of.silent", true]]]]]]"#;
const QUOTED: &str = r#"[["==", ".of[\"kind\"]", "photo"]]"#;

type Sign = dyn Fn(&[u8]) -> [u8; 64];

/// A key of a curve that [`SigningKey`] has not.
struct Other {
    public: PublicKey,
    sign: Box<Sign>,
}

impl Signer for Other {
    fn issuer(&self) -> Principal {
        Principal::of(&self.public)
    }

    fn key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        (self.sign)(message)
    }
}

fn p256(seed: u8) -> Result<Other> {
    let key = p256::ecdsa::SigningKey::from_slice(&[seed; 32])?;
    let point = key.verifying_key().to_sec1_point(true);
    Ok(Other {
        public: PublicKey::P256(point.as_bytes().try_into()?),
        sign: Box::new(move |message| {
            let signature: p256::ecdsa::Signature = key.sign(message);
            signature.to_bytes().into()
        }),
    })
}

fn secp256k1(seed: u8) -> Result<Other> {
    let key = k256::ecdsa::SigningKey::from_slice(&[seed; 32])?;
    let point = key.verifying_key().to_sec1_point(true);
    Ok(Other {
        public: PublicKey::Secp256k1(point.as_bytes().try_into()?),
        sign: Box::new(move |message| {
            let signature: k256::ecdsa::Signature = key.sign(message);
            signature.to_bytes().into()
        }),
    })
}

struct Cases {
    /// The first is the subject; each delegates to the next.
    people: [Box<dyn Signer>; 4],
    now: u64,
    minted: Vec<Value>,
}

impl Cases {
    /// From one person to the next.
    fn from(&self, at: usize, command: &str) -> Result<DelegationBuilder> {
        let next = self.people[(at + 1) % 4].issuer();
        Ok(Delegation::to(next, command.parse()?)
            .subject(self.people[0].issuer())
            .expires(self.now + 3600))
    }

    fn signed(&self, at: usize, builder: DelegationBuilder) -> Result<Delegation> {
        Ok(builder.sign(&*self.people[at], &[at as u8; 12])?)
    }

    fn delegation(&mut self, name: &str, at: usize, builder: DelegationBuilder) -> Result<()> {
        let token = BASE64.encode(self.signed(at, builder)?.bytes());
        self.minted
            .push(json!({ "name": name, "verdict": ALLOWED, "delegation": token }));
        Ok(())
    }

    /// Invoked by whom the chain of these delegations ends at.
    fn chain(
        &mut self,
        name: &str,
        verdict: &str,
        builders: Vec<DelegationBuilder>,
        command: &str,
        size: i64,
    ) -> Result<()> {
        let invoker = builders.len();
        let mut proofs = Vec::new();
        for (at, builder) in builders.into_iter().enumerate() {
            proofs.push(self.signed(at, builder)?);
        }
        let of = [("kind".to_owned(), Ipld::from("photo"))];
        let invocation = Invocation::on(self.people[0].issuer(), command.parse()?)
            .argument("album", "garibaldi")
            .argument("size", size)
            .argument("name", "lake.jpg")
            .argument("of", Ipld::Map(of.into()))
            .proofs(proofs.iter().map(|proof| *proof.cid()))
            .expires(self.now + 300)
            .sign(&*self.people[invoker], b"twelve bytes")?;
        let proofs = proofs.iter().map(|proof| BASE64.encode(proof.bytes()));
        self.minted.push(json!({
            "name": name,
            "verdict": verdict,
            "proofs": proofs.collect::<Vec<_>>(),
            "invocation": BASE64.encode(invocation.bytes()),
        }));
        Ok(())
    }
}

fn mint(now: u64) -> Result<Vec<Value>> {
    let mut cases = Cases {
        people: [
            Box::new(SigningKey::from_seed([1; 32])),
            Box::new(p256(2)?),
            Box::new(secp256k1(3)?),
            Box::new(SigningKey::from_seed([4; 32])),
        ],
        now,
        minted: Vec::new(),
    };
    let policy = || Policy::from_json(POLICY);
    for (at, curve) in ["Ed25519", "P-256", "secp256k1"].into_iter().enumerate() {
        let builder = cases.from(at, READ)?.policy(policy()?);
        cases.delegation(&format!("delegation, {curve}"), at, builder)?;
    }
    let next = cases.people[1].issuer();
    let endless = Delegation::to(next, "/".parse()?).subject(cases.people[0].issuer());
    let endless = endless.not_before(now - 60).meta("why", "because");
    cases.delegation(
        "delegation without an end, with what is optional",
        0,
        endless,
    )?;
    let powerline = cases.from(1, PART)?.powerline();
    cases.delegation("delegation of any subject", 1, powerline)?;

    cases.chain("no proof", ALLOWED, vec![], READ, 12)?;
    for (proofs, name) in [(1, "one proof"), (2, "two proofs"), (3, "three proofs")] {
        let builders = |cases: &Cases| -> Result<Vec<_>> {
            let each = (0..proofs).map(|at| Ok(cases.from(at, PART)?.policy(policy()?)));
            each.collect()
        };
        let (good, bad) = (builders(&cases)?, builders(&cases)?);
        cases.chain(name, ALLOWED, good, READ, 1_000_000)?;
        let name = format!("{name}, arguments outside the policy");
        cases.chain(&name, "MatchError", bad, READ, 1_000_001)?;
    }
    let builders = vec![cases.from(0, PART)?, cases.from(1, PART)?.powerline()];
    cases.chain(
        "two proofs, one of any subject",
        ALLOWED,
        builders,
        READ,
        12,
    )?;

    let builders = vec![cases.from(0, READ)?];
    cases.chain(
        "invocation widens the command",
        "CommandEscalation",
        builders,
        PART,
        12,
    )?;
    let builders = vec![cases.from(0, PART)?, cases.from(1, READ)?];
    cases.chain(
        "invocation widens a narrowed command",
        "CommandEscalation",
        builders,
        PART,
        12,
    )?;
    let builders = vec![
        cases.from(0, READ)?,
        cases.from(1, PART)?,
        cases.from(2, PART)?,
    ];
    cases.chain(
        "proof widens the command",
        "CommandEscalation",
        builders,
        READ,
        12,
    )?;
    let builders = vec![cases.from(0, PART)?.expires(now - 60)];
    cases.chain("expired proof", "Expired", builders, READ, 12)?;
    let builders = vec![cases.from(0, PART)?.not_before(now + 60)];
    cases.chain("proof of later", "TooEarly", builders, READ, 12)?;
    let builders = vec![cases.from(0, PART)?, cases.from(2, PART)?];
    cases.chain(
        "proof for somebody else",
        "InvalidAudience",
        builders,
        READ,
        12,
    )?;
    let other = cases.people[3].issuer();
    let builders = vec![cases.from(0, PART)?, cases.from(1, PART)?.subject(other)];
    cases.chain(
        "proof of another subject",
        "InvalidSubject",
        builders,
        READ,
        12,
    )?;
    let builders = vec![cases.from(0, PART)?.policy(Policy::from_json(QUOTED)?)];
    cases.chain("a quoted name in a selector", ALLOWED, builders, READ, 12)?;
    Ok(cases.minted)
}

fn token(value: &Value) -> Result<Vec<u8>> {
    let text = value.as_str().ok_or("a token must be text")?;
    Ok(BASE64.decode(text.as_bytes())?)
}

fn judge(case: &Value, now: u64) -> Result<std::result::Result<(), CapabilityError>> {
    if !case["delegation"].is_null() {
        let bytes = token(&case["delegation"])?;
        return Ok(Delegation::decode(&bytes).and_then(|delegation| {
            delegation.verify_signature(&DidKeys)?;
            delegation.check_time(now)
        }));
    }
    let mut proofs = Proofs::new();
    for proof in case["proofs"].as_array().ok_or("a chain has proofs")? {
        match Delegation::decode(&token(proof)?) {
            Ok(proof) => proofs.insert(proof),
            Err(error) => return Ok(Err(error)),
        };
    }
    let invocation = Invocation::decode(&token(&case["invocation"])?);
    let verdict = invocation.and_then(|invocation| Context::at(now).verify(&invocation, &proofs));
    Ok(verdict.map(|_| ()))
}

fn main() -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let output = match std::env::args().nth(1).as_deref() {
        Some("mint") => Value::Array(mint(now)?),
        Some("judge") => {
            let cases: Vec<Value> = serde_json::from_reader(std::io::stdin().lock())?;
            let mut verdicts = Map::new();
            for case in cases {
                let name = case["name"].as_str().ok_or("a case has a name")?;
                let verdict = match judge(&case, now)? {
                    Ok(()) => ALLOWED.to_owned(),
                    Err(error) => error.kind().name().to_owned(),
                };
                verdicts.insert(name.to_owned(), verdict.into());
            }
            Value::Object(verdicts)
        }
        _ => return Err("usage: interop mint | interop judge".into()),
    };
    println!("{output}");
    Ok(())
}
