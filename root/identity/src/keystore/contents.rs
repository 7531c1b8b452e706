//! What the key store holds, and its plain text.
//!
//! ```text
//! [device seed, kem seed, genesis CAR | null, [[epoch name, secret], …], [[name, seed, enrolment envelope], …], words | null,
//!  add | null]
//! ```
//!
//! `add` is the CID of the operation that made the device a member, null for one of the genesis. Version 1 of the file ends before it.
//!
//! Lists only, no maps: the encoder would buffer maps, and with them copies of secrets.

use std::collections::BTreeMap;

use rhizome_ipld::{Cid, Signed, Verified, codec};
use serde_bytes::{ByteArray, ByteBuf, Bytes};
use zeroize::Zeroizing;

use super::EpochName;
use super::directory::MAX_FILE;
use crate::{Enrol, Genesis, IdentityError, Random, RecoveryWords, Secret};

/// Most epoch secrets that are kept.
pub const MAX_EPOCHS: usize = 4096;
/// Most processes of one device.
pub const MAX_PROCESSES: usize = 256;

pub(super) struct Contents {
    pub device: Secret,
    pub kem: Secret,
    pub genesis: Option<Genesis>,
    /// In order of their names.
    pub epochs: Vec<(EpochName, Secret)>,
    pub processes: BTreeMap<String, Process>,
    pub words: Option<RecoveryWords>,
    /// The operation that made the device a member, unless it is of the genesis.
    pub add: Option<Cid>,
}

pub(super) struct Process {
    pub seed: Secret,
    pub enrol: Verified<Enrol>,
}

type Epochs = Vec<(ByteArray<8>, Secret)>;
type Processes = Vec<(String, Secret, ByteBuf)>;
type Plain = (
    Secret,
    Secret,
    Option<ByteBuf>,
    Epochs,
    Processes,
    Option<Secret>,
    Option<Cid>,
);
type PlainVersion1 = (
    Secret,
    Secret,
    Option<ByteBuf>,
    Epochs,
    Processes,
    Option<Secret>,
);

impl Contents {
    pub fn new(random: Random<'_>) -> Self {
        let device = Secret::random(random);
        Self::of(device, Secret::random(random))
    }

    pub fn of(device: Secret, kem: Secret) -> Self {
        Self {
            device,
            kem,
            genesis: None,
            epochs: Vec::new(),
            processes: BTreeMap::new(),
            words: None,
            add: None,
        }
    }

    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
        let genesis = self.genesis.as_ref().map(Genesis::to_car).transpose()?;
        let enrolments: Vec<Vec<u8>> = self
            .processes
            .values()
            .map(|process| process.enrol.to_bytes())
            .collect();
        let epochs: Vec<(&Bytes, &Bytes)> = self
            .epochs
            .iter()
            .map(|(name, secret)| (Bytes::new(name), Bytes::new(secret.expose())))
            .collect();
        let processes: Vec<(&str, &Bytes, &Bytes)> = self
            .processes
            .iter()
            .zip(&enrolments)
            .map(|((name, process), enrol)| {
                (
                    name.as_str(),
                    Bytes::new(process.seed.expose()),
                    Bytes::new(enrol),
                )
            })
            .collect();
        // Reserved whole, so that the buffer never moves and leaves a copy behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(MAX_FILE));
        codec::encode_into(
            &(
                Bytes::new(self.device.expose()),
                Bytes::new(self.kem.expose()),
                genesis.as_deref().map(Bytes::new),
                epochs,
                processes,
                self.words
                    .as_ref()
                    .map(|w| Bytes::new(w.entropy().expose())),
                self.add,
            ),
            &mut plain,
        )?;
        Ok(plain)
    }

    /// The plain text was authenticated, so what does not decode is a fault of ours or of memory: "damaged".
    pub fn decode(plain: &[u8], version: u8) -> Result<Self, IdentityError> {
        let damaged = |_| IdentityError::Damaged;
        let (device, kem, genesis, epochs, processes, words, add): Plain = if version == 1 {
            let (device, kem, genesis, epochs, processes, words): PlainVersion1 =
                codec::decode(plain, MAX_FILE).map_err(|_| IdentityError::Damaged)?;
            (device, kem, genesis, epochs, processes, words, None)
        } else {
            codec::decode(plain, MAX_FILE).map_err(|_| IdentityError::Damaged)?
        };
        let genesis = genesis
            .map(|car| Genesis::from_car(&car).map_err(damaged))
            .transpose()?;
        let processes = processes
            .into_iter()
            .map(|(name, seed, enrol)| {
                let enrol = Signed::<Enrol>::from_bytes(&enrol)
                    .and_then(Signed::verify)
                    .map_err(|_| IdentityError::Damaged)?;
                Ok((name, Process { seed, enrol }))
            })
            .collect::<Result<_, IdentityError>>()?;
        Ok(Self {
            device,
            kem,
            genesis,
            epochs: epochs
                .into_iter()
                .map(|(name, secret)| (name.into_array(), secret))
                .collect(),
            processes,
            words: words.map(RecoveryWords::from_entropy),
            add,
        })
    }
}
