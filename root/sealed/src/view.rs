//! What a pod's certificates come to, small enough to be at hand always: who its devices are, who may write, which hidden keys recover
//! it. Kept beside the certificates and always changed together with them, so that a pod is opened without verifying them again.

use rhizome_identity::Role;
use rhizome_ipld::{PublicKey, codec};
use rhizome_replica::{Authors, Standing, Voice};
use rhizome_share::{Certificates, Writer};
use rhizome_storage::MAX_VALUE_LEN;
use rhizome_tuple::CommitId;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use std::collections::BTreeSet;

use crate::SealedError;

/// Who may write to a pod, or might once, as its certificates have it: what a [`rhizome_replica::Replica`] is told.
pub fn authors(set: &Certificates) -> Authors {
    let writers = set.writers().into_iter();
    writers
        .map(|(key, writer)| (key, standing(&key, &writer)))
        .collect()
}

fn standing(key: &PublicKey, writer: &Writer) -> Standing {
    let seals = |seals: &Vec<std::sync::Arc<[rhizome_identity::SealedHead]>>| {
        let own = seals.iter().map(|seal| {
            let heads = seal.iter().filter(|head| head.process == *key);
            heads
                .map(|head| (head.seq, CommitId(head.commit)))
                .collect()
        });
        own.collect()
    };
    Standing {
        name: writer.name.clone(),
        terms: writer.terms.iter().map(seals).collect(),
        voice: match writer.role {
            Role::Admin | Role::Member => Voice::Full,
            Role::Guest => Voice::Guest,
            // and nothing of a follower's counts at all
            Role::Reader | Role::Follower => Voice::Silent,
        },
    }
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct View {
    pub devices: BTreeSet<PublicKey>,
    pub authors: Authors,
    pub policies: BTreeSet<[u8; 32]>,
}

type Terms = Vec<Vec<Vec<(u64, CommitId)>>>;

#[derive(Serialize, Deserialize)]
struct Row(
    Vec<PublicKey>,
    Vec<(PublicKey, String, Terms)>,
    Vec<ByteArray<32>>,
);

impl View {
    pub fn of(set: &Certificates) -> Self {
        let now = set.resolution();
        let policies = now.policies.iter().flat_map(|p| &p.keys);
        Self {
            devices: now.devices.iter().map(|a| a.device.key).collect(),
            // whose words are weighed is nothing to who cannot read them
            authors: authors(set)
                .iter()
                .map(|(key, standing)| {
                    let voice = Voice::Full;
                    (
                        *key,
                        Standing {
                            voice,
                            ..standing.clone()
                        },
                    )
                })
                .collect(),
            policies: policies.map(|key| key.into_array()).collect(),
        }
    }

    pub fn encode(&self) -> Result<Vec<u8>, SealedError> {
        let authors = self.authors.iter();
        let row = Row(
            self.devices.iter().copied().collect(),
            authors
                .map(|(key, s)| (*key, s.name.clone(), s.terms.clone()))
                .collect(),
            self.policies.iter().copied().map(ByteArray::new).collect(),
        );
        let bytes = codec::encode(&row)?;
        if bytes.len() > MAX_VALUE_LEN {
            return Err(SealedError::Full("its seals name too many commits"));
        }
        Ok(bytes)
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, SealedError> {
        let Row(devices, authors, policies) = codec::decode(bytes, MAX_VALUE_LEN)
            .map_err(|_| SealedError::Corrupt("a view of certificates is malformed"))?;
        Ok(Self {
            devices: devices.into_iter().collect(),
            authors: authors
                .into_iter()
                .map(|(key, name, terms)| {
                    let voice = Voice::Full;
                    (key, Standing { name, terms, voice })
                })
                .collect(),
            policies: policies.into_iter().map(ByteArray::into_array).collect(),
        })
    }

    /// Bytes of memory, about.
    pub fn weight(&self) -> usize {
        let terms = |s: &Standing| -> usize {
            let heads = |seals: &Vec<Vec<(u64, CommitId)>>| -> usize {
                seals.iter().map(|s| 24 + s.len() * 40).sum()
            };
            s.terms.iter().map(|t| 24 + heads(t)).sum()
        };
        let authors = self.authors.iter();
        self.devices.len() * 64
            + self.policies.len() * 48
            + authors.map(|(_, s)| 160 + terms(s)).sum::<usize>()
    }
}
