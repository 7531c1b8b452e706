//! What is said on `/rhizome/inbox/1`, after the first words.
//!
//! ```text
//! leave      dialler    the message
//!            answer     [0]  taken     [1]  it is here already     [2, why]  no
//! collect    dialler    [0, after | null]            which messages are there, 256 at most, after this one
//!            answer     [[id, bytes]…]               ascending
//!            dialler    [1, id]
//!            answer     [0, message]  or  [1]  it is gone
//!            dialler    [2, [id…]]                   256 at most: drop these
//!            answer     [0, how many]
//! ```

use rhizome_ipld::codec;
use rhizome_network::{Link, MAX_MESSAGE as MAX_WORDS};
use serde::Deserialize;
use serde_bytes::ByteBuf;

use super::{MAX_MESSAGE, MessageId};
use crate::{
    PodError,
    sync::hello::{encode, reason, unclear},
};

/// Messages of one list.
pub(crate) const LISTED: usize = 256;
/// Bytes of an answer beside the message in it.
const AROUND: usize = 64;

/// What a device of the pod wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    List(Option<MessageId>),
    Take(MessageId),
    Drop(Vec<MessageId>),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    New,
    Known,
}

async fn next(link: &mut Link) -> Result<Option<Vec<u8>>, PodError> {
    Ok(link.receive().await?.map(|bytes| bytes.to_vec()))
}

async fn answer(link: &mut Link) -> Result<Vec<u8>, PodError> {
    next(link).await?.ok_or_else(unclear)
}

/// Leaves a message.
pub(super) async fn leave(link: &mut Link, message: &[u8]) -> Result<Taken, PodError> {
    link.send(message.to_vec()).await?;
    read_taken(&answer(link).await?)
}

fn read_taken(bytes: &[u8]) -> Result<Taken, PodError> {
    if let Ok((2u8, why)) = codec::decode::<(u8, String)>(bytes, MAX_WORDS) {
        return Err(PodError::Refused(reason(&why)));
    }
    match codec::decode(bytes, AROUND) {
        Ok((0u8,)) => Ok(Taken::New),
        Ok((1u8,)) => Ok(Taken::Known),
        _ => Err(unclear()),
    }
}

/// The message that somebody leaves; `None` if it is larger than any may be.
pub(crate) async fn left(link: &mut Link) -> Result<Option<Vec<u8>>, PodError> {
    let message = answer(link).await?;
    Ok((message.len() <= MAX_MESSAGE).then_some(message))
}

/// Tells what became of it.
pub(crate) async fn tell_taken(link: &mut Link, taken: Taken) -> Result<(), PodError> {
    Ok(link.send(encode(&(taken as u8,))?).await?)
}

/// Tells why it is not taken.
pub(crate) async fn refuse(link: &mut Link, why: &str) -> Result<(), PodError> {
    Ok(link.send(encode(&(2u8, why))?).await?)
}

/// What a device of the pod wants; `None` when it is done.
pub(crate) async fn wanted(link: &mut Link) -> Result<Option<Wanted>, PodError> {
    next(link)
        .await?
        .map(|bytes| read_wanted(&bytes))
        .transpose()
}

fn read_wanted(bytes: &[u8]) -> Result<Wanted, PodError> {
    if let Ok((0u8, after)) = codec::decode(bytes, AROUND) {
        return Ok(Wanted::List(after));
    }
    if let Ok((1u8, id)) = codec::decode(bytes, AROUND) {
        return Ok(Wanted::Take(id));
    }
    match codec::decode::<(u8, Vec<MessageId>)>(bytes, MAX_WORDS) {
        Ok((2, ids)) if ids.len() <= LISTED => Ok(Wanted::Drop(ids)),
        _ => Err(unclear()),
    }
}

/// Says what one wants.
pub(super) async fn want(link: &mut Link, wanted: &Wanted) -> Result<(), PodError> {
    Ok(link.send(encode_wanted(wanted)?).await?)
}

fn encode_wanted(wanted: &Wanted) -> Result<Vec<u8>, PodError> {
    match wanted {
        Wanted::List(after) => encode(&(0u8, after)),
        Wanted::Take(id) => encode(&(1u8, id)),
        Wanted::Drop(ids) => encode(&(2u8, ids)),
    }
}

/// Answers [`Wanted::List`].
pub(crate) async fn list(link: &mut Link, ids: &[(MessageId, u32)]) -> Result<(), PodError> {
    Ok(link.send(encode(&ids)?).await?)
}

/// The messages after one, ascending.
pub(super) async fn listed(
    link: &mut Link,
    after: Option<MessageId>,
) -> Result<Vec<MessageId>, PodError> {
    read_list(&answer(link).await?, after)
}

fn read_list(bytes: &[u8], after: Option<MessageId>) -> Result<Vec<MessageId>, PodError> {
    let list: Vec<(MessageId, u32)> = codec::decode(bytes, MAX_WORDS).map_err(|_| unclear())?;
    let ids: Vec<_> = list.into_iter().map(|(id, _)| id).collect();
    let ascending = ids.is_sorted_by(|a, b| a < b) && ids.first().copied() > after;
    if ids.len() > LISTED || !(ids.is_empty() || ascending) {
        return Err(unclear());
    }
    Ok(ids)
}

/// Answers [`Wanted::Take`].
pub(crate) async fn give(link: &mut Link, message: Option<&[u8]>) -> Result<(), PodError> {
    let bytes = match message {
        Some(message) => encode(&(0u8, serde_bytes::Bytes::new(message)))?,
        None => encode(&(1u8,))?,
    };
    Ok(link.send(bytes).await?)
}

/// The message that was wanted, if it is there still.
pub(super) async fn given(link: &mut Link) -> Result<Option<Vec<u8>>, PodError> {
    read_given(&answer(link).await?)
}

fn read_given(bytes: &[u8]) -> Result<Option<Vec<u8>>, PodError> {
    if let Ok((1u8,)) = codec::decode(bytes, AROUND) {
        return Ok(None);
    }
    match codec::decode::<(u8, ByteBuf)>(bytes, MAX_MESSAGE + AROUND) {
        Ok((0, message)) => Ok(Some(message.into_vec())),
        _ => Err(unclear()),
    }
}

/// Answers [`Wanted::Drop`].
pub(crate) async fn tell_dropped(link: &mut Link, dropped: u64) -> Result<(), PodError> {
    Ok(link.send(encode(&(0u8, dropped))?).await?)
}

/// How many were dropped.
pub(super) async fn dropped(link: &mut Link) -> Result<u64, PodError> {
    read_number(&answer(link).await?)
}

fn read_number(bytes: &[u8]) -> Result<u64, PodError> {
    #[derive(Deserialize)]
    struct Number(u8, u64);
    match codec::decode(bytes, AROUND) {
        Ok(Number(0, n)) => Ok(n),
        _ => Err(unclear()),
    }
}

/// Reads bytes as everything that is said: what a device wants is written back the same.
#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    if let Ok(wanted) = read_wanted(bytes) {
        assert_eq!(encode_wanted(&wanted).ok().as_deref(), Some(bytes));
    }
    if let Ok(list) = read_list(bytes, None) {
        assert!(list.len() <= LISTED);
    }
    if let Ok(Some(message)) = read_given(bytes) {
        assert!(message.len() <= MAX_MESSAGE + AROUND);
    }
    let _ = (read_taken(bytes), read_number(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_comes_back_and_lists_ascend() {
        let id = |n| MessageId([n; 32]);
        for wanted in [
            Wanted::List(None),
            Wanted::List(Some(id(1))),
            Wanted::Take(id(2)),
            Wanted::Drop(vec![id(3), id(1)]),
        ] {
            let bytes = encode_wanted(&wanted).unwrap();
            assert_eq!(read_wanted(&bytes).unwrap(), wanted);
        }
        let many = vec![id(1); LISTED + 1];
        assert!(read_wanted(&encode_wanted(&Wanted::Drop(many)).unwrap()).is_err());
        assert!(read_wanted(&encode(&(3u8, id(1))).unwrap()).is_err());

        let list = |ids: &[u8]| {
            let list: Vec<_> = ids.iter().map(|n| (id(*n), 5u32)).collect();
            encode(&list).unwrap()
        };
        assert_eq!(read_list(&list(&[2, 4]), Some(id(1))).unwrap().len(), 2);
        assert!(read_list(&list(&[]), Some(id(9))).unwrap().is_empty());
        // it would be asked for ever
        assert!(read_list(&list(&[2, 4]), Some(id(2))).is_err());
        assert!(read_list(&list(&[4, 2]), None).is_err());
        assert!(matches!(
            read_taken(&encode(&(2u8, "no")).unwrap()),
            Err(PodError::Refused(why)) if why == "no"
        ));
    }
}
