//! The words of a search: by a hidden recovery key, for device logs.

use std::collections::BTreeMap;

use rhizome_identity::{Did, Log, SealedHead};
use rhizome_ipld::codec;
use rhizome_network::Link;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::{
    PodError,
    sync::hello::{self, encode},
};

/// Pods that are shown to somebody who knows a recovery key.
pub(crate) const MAX_FOUND: usize = 8;
/// Heads of chains that are told to somebody who recovers a pod.
pub(crate) const MAX_HEADS: usize = 600;

#[derive(Serialize, Deserialize)]
struct Question(u8, ByteArray<32>);

fn unclear() -> PodError {
    PodError::Peer("the other side does not speak this protocol".into())
}

pub async fn asked(link: &mut Link) -> Result<[u8; 32], PodError> {
    let bytes = link.receive().await?.ok_or_else(unclear)?;
    match codec::decode(&bytes, 64) {
        Ok(Question(1, hidden)) => Ok(hidden.into_array()),
        _ => Err(unclear()),
    }
}

pub async fn tell(link: &mut Link, found: &[(Log, Vec<SealedHead>)]) -> Result<(), PodError> {
    link.send(encode(&(found.len() as u32,))?).await?;
    for (log, heads) in found {
        hello::show(link, log, Some(&encode(heads)?)).await?;
    }
    Ok(())
}

/// Asks, and reads what comes: for each DID its log and the heads of what is kept of it.
pub async fn ask(
    link: &mut Link,
    hidden: [u8; 32],
) -> Result<BTreeMap<Did, (Log, Vec<SealedHead>)>, PodError> {
    link.send(encode(&Question(1, ByteArray::new(hidden)))?)
        .await?;
    let bytes = link.receive().await?.ok_or_else(unclear)?;
    let (count,): (u32,) = codec::decode(&bytes, 16).map_err(|_| unclear())?;
    let mut out = BTreeMap::new();
    for _ in 0..(count as usize).min(MAX_FOUND) {
        let (log, heads) = hello::shown(link).await?;
        let heads = heads.ok_or_else(unclear)?;
        let heads = codec::decode(&heads, 64 << 10).map_err(|_| unclear())?;
        out.insert(log.did(), (log, heads));
    }
    Ok(out)
}
