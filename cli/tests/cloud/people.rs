//! People who have a pod kept: certificates and commits, made up, and a device that exchanges them with a peer.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rhizome_identity::{
    Create, Device, Did, Enrol, Genesis, KemKey, KemSecret, RecoveryWords, Role, Secret,
};
use rhizome_ipld::{SigningKey, Verified, codec};
use rhizome_network::{Admission, Link, Node, NodeConfig, PeerAddress, Protocol, Services};
use rhizome_replica::{LeafBytes, Record};
use rhizome_sealed::{Sealed, SealedPod};
use rhizome_share::{Certificate, Certificates, Epoch};
use rhizome_sync::{Input, Leaf as SentLeaf, Limits, Output, Role as Side, Session, Store};
use rhizome_tuple::{
    Attribute, Commit, CommitId, EntityId, EpochSecret, Hlc, Leaf, Op, leaf_hash, merkle_root,
};

pub type Error = Box<dyn std::error::Error + Send + Sync>;

const SECRET: [u8; 32] = [77; 32];
const PATIENCE: Duration = Duration::from_mins(1);

/// Random enough, and the same every time.
pub struct Maker {
    /// Keys for receiving secrets take long to make: all pods have the same three.
    kems: [KemKey; 3],
    seed: u64,
    n: u64,
}

impl Maker {
    pub fn new(seed: u64) -> Self {
        let kem = |n| KemSecret::from_seed(Secret::take(&mut [n; 32])).public();
        Self {
            kems: [kem(1), kem(2), kem(3)],
            seed,
            n: 0,
        }
    }

    fn random(&mut self, out: &mut [u8]) {
        self.n += 1;
        let mut hash = blake3::Hasher::new();
        hash.update(&self.seed.to_be_bytes());
        hash.update(&self.n.to_be_bytes());
        hash.finalize_xof().fill(out);
    }

    fn key(&mut self) -> SigningKey {
        let mut seed = [0; 32];
        self.random(&mut seed);
        SigningKey::from_seed(seed)
    }

    /// A pod of two devices with two processes each, and three epochs.
    pub fn person(&mut self) -> Result<Person, Error> {
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
        let process = self.key();
        let others = [self.key(), self.key(), self.key()];
        let writers = [
            (&laptop, &process),
            (&laptop, &others[0]),
            (&phone, &others[1]),
            (&phone, &others[2]),
        ];
        for (device, process) in writers {
            let enrol = self.enrol(&set, device, process)?;
            set.add(enrol)?;
        }
        for _ in 0..3 {
            let recovery = Some(vec![self.kems[2].clone()]);
            let plan = set.plan(&laptop.public(), None, recovery)?;
            let mut random = |out: &mut [u8]| self.random(out);
            let secret = Secret::random(&mut random);
            let epoch = Epoch::sign(plan, &secret, &[], &laptop, &mut random)?;
            set.add(Certificate::Epoch(Box::new(epoch)))?;
        }
        Ok(Person {
            set,
            laptop: Arc::new(laptop),
            process,
            head: None,
        })
    }

    fn enrol(
        &mut self,
        set: &Certificates,
        device: &SigningKey,
        process: &SigningKey,
    ) -> Result<Certificate, Error> {
        let add = set.resolution().device(&device.public());
        let add = add.map(|a| a.incarnation.add);
        let mut random = |out: &mut [u8]| self.random(out);
        let enrol = Enrol::sign(set.did(), device, add, process.public(), &mut random)?;
        Ok(Certificate::Enrol(Box::new(enrol)))
    }

    /// One more process of the person's laptop.
    pub fn one_more(&mut self, person: &Person) -> Result<Vec<u8>, Error> {
        let process = self.key();
        Ok(self
            .enrol(&person.set, &person.laptop, &process)?
            .to_bytes()?)
    }
}

/// Somebody with a pod.
pub struct Person {
    pub set: Certificates,
    pub laptop: Arc<SigningKey>,
    process: SigningKey,
    head: Option<(u64, CommitId)>,
}

impl Person {
    pub fn did(&self) -> Did {
        self.set.did()
    }

    pub fn certificates(&self) -> Vec<Vec<u8>> {
        let all = self.set.ids().filter_map(|id| self.set.get(&id));
        all.filter_map(|c| c.to_bytes().ok()).collect()
    }

    /// Puts the pod into a store, as if its device had been there once.
    pub fn settle(&self, sealed: &Sealed, quota: u64) -> Result<Arc<SealedPod>, Error> {
        sealed.host(self.set.log(), quota, 0)?;
        let pod = sealed.pod(&self.did())?.ok_or("it is hosted")?;
        pod.store(0).take_certificates(self.certificates())?;
        Ok(pod)
    }

    /// The next commit, of one leaf with a text.
    pub fn write(&mut self, text: &str) -> Result<rhizome_sync::Commit, Error> {
        let seq = self.head.map_or(0, |(seq, _)| seq + 1);
        let pod = self.did().to_string();
        let mut header = Commit {
            v: 1,
            device: self.process.public(),
            seq,
            prev: self.head.map(|(_, id)| id),
            frontier: vec![],
            hlc: Hlc((1 << 20) + seq),
            cap: None,
            nonce: u128::from(seq).to_be_bytes(),
            root: [0; 32],
            leaves: 1,
            pod,
        };
        let entity = EntityId::derive(&header.pod, &seq.to_be_bytes());
        let ops = vec![Op::Insert {
            attribute: Attribute::new("tag")?,
            value: text.into(),
        }];
        let sealed = EpochSecret::new(&SECRET)
            .seal(&entity, &header.address(0), &Leaf::encode(&ops)?)?
            .to_bytes()?;
        header.root = merkle_root(&[leaf_hash(&sealed)]).ok_or("one leaf")?;
        let verified = Verified::sign(header, &self.process)?;
        let id = CommitId::from_cid(&verified.id()).ok_or("the name of a commit")?;
        self.head = Some((seq, id));
        let record = Record {
            envelope: verified.to_bytes(),
            leaves: vec![LeafBytes::Sealed(sealed)],
        };
        let leaf = |l: LeafBytes| match l {
            LeafBytes::Sealed(bytes) => SentLeaf::Sealed(bytes),
            LeafBytes::Erased(hash) => SentLeaf::Erased(hash),
        };
        Ok(rhizome_sync::Commit {
            envelope: record.envelope,
            leaves: record.leaves.into_iter().map(leaf).collect(),
        })
    }
}

/// The device of a person, at an address of its own as another machine would be.
pub async fn device(key: &Arc<SigningKey>, number: u32) -> Result<Node, Error> {
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number);
    let services = Services::builder(Arc::clone(key), |_, _| {
        Admission::Reject("nothing is served here".into())
    });
    let config = NodeConfig {
        bind: vec![SocketAddr::from((address, 0))],
        ..NodeConfig::default()
    };
    Ok(Node::start(services.build(), config).await?)
}

/// Dials the peer and says of which pod.
pub async fn greet(node: &Node, peer: &PeerAddress, did: &Did) -> Result<Link, Error> {
    let mut link = node.dial(peer, Protocol::Sync).await?;
    link.send(codec::encode(&(1u8, did.to_string()))?).await?;
    let answer = link.receive().await?.ok_or("it hung up")?;
    match codec::decode::<(u8,)>(&answer, 16) {
        Ok((0,)) => Ok(link),
        _ => Err(format!("not let in: {}", String::from_utf8_lossy(&answer)).into()),
    }
}

/// Exchanges until both sides have the same.
pub async fn exchange(link: &mut Link, store: &mut (dyn Store + Send)) -> Result<(), Error> {
    let mut session = Session::new(Side::Initiator, link.keying(), 0, Limits::default());
    loop {
        while let Some(output) = session.poll(store) {
            match output {
                Output::Send(message) => link.send(message).await?,
                Output::Synced(s) if s.equal => return Ok(()),
                Output::Synced(s) if s.more => {}
                Output::Synced(s) if s.refused + s.refused_by_peer > 0 => {
                    return Err("something was refused".into());
                }
                Output::Synced(_) => session.handle(0, Input::Recheck, store),
                Output::Abort(error) => return Err(error.into()),
                _ => {}
            }
        }
        let message = tokio::time::timeout(PATIENCE, link.receive()).await??;
        let message = message.ok_or("it hung up")?;
        session.handle(0, Input::Message(&message), store);
    }
}
