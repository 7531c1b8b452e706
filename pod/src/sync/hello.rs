//! The first words on a link between two replicas: of which pod, and may we.
//!
//! ```text
//! dialler    [1, did]
//! answer     [0]  go on      [1]  show me the device log      [2, why]  no
//! dialler    [2, bytes, last, token | null]…                  the log as a CAR file, in parts, the first with the token; then the same
//!                                                             answer again
//! ```

use rhizome_identity::{Did, Log};
use rhizome_ipld::codec;
use rhizome_network::{Link, MAX_MESSAGE};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tokio::task::block_in_place;

use crate::PodError;

/// Bytes of a device log that are read from somebody who is not known.
const MAX_LOG: usize = 8 << 20;
/// Bytes of a token.
const MAX_TOKEN: usize = 64 << 10;
/// Bytes of it in one message.
const PART: usize = 256 << 10;
/// Characters of a reason that are shown.
const MAX_REASON: usize = 300;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Go on.
    Ready,
    /// Show the device log.
    ShowLog,
    /// No.
    No(String),
}

#[derive(Serialize, Deserialize)]
struct Part(u8, ByteBuf, bool, Option<ByteBuf>);

pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, PodError> {
    codec::encode(message).map_err(|e| PodError::Peer(e.to_string()))
}

pub(crate) fn unclear() -> PodError {
    PodError::Peer("the other side does not speak this protocol, or another version of it".into())
}

async fn next(link: &mut Link) -> Result<Vec<u8>, PodError> {
    match link.receive().await? {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(PodError::Peer("the other side hung up".into())),
    }
}

/// Asks for a pod. `log` is shown if the other side wants to see it, with `token`.
pub(crate) async fn ask(
    link: &mut Link,
    did: &Did,
    log: &Log,
    token: Option<&[u8]>,
) -> Result<(), PodError> {
    link.send(encode(&(1u8, did.to_string()))?).await?;
    match answer(link).await? {
        Answer::Ready => return Ok(()),
        Answer::No(why) => return Err(PodError::Refused(why)),
        Answer::ShowLog => (),
    }
    show(link, log, token).await?;
    match answer(link).await? {
        Answer::Ready => Ok(()),
        Answer::No(why) => Err(PodError::Refused(why)),
        Answer::ShowLog => Err(unclear()),
    }
}

/// Sends a device log in parts, with a token at its beginning.
pub(crate) async fn show(link: &mut Link, log: &Log, token: Option<&[u8]>) -> Result<(), PodError> {
    let car = log.to_car()?;
    let mut token = token.map(|t| ByteBuf::from(t.to_vec()));
    let mut parts = car.chunks(PART).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        link.send(encode(&Part(2, ByteBuf::from(part), last, token.take()))?)
            .await?;
    }
    Ok(())
}

async fn answer(link: &mut Link) -> Result<Answer, PodError> {
    let bytes = next(link).await?;
    if let Ok((0u8,)) = codec::decode(&bytes, 16) {
        return Ok(Answer::Ready);
    }
    if let Ok((1u8,)) = codec::decode(&bytes, 16) {
        return Ok(Answer::ShowLog);
    }
    let (2u8, why): (u8, String) = codec::decode(&bytes, MAX_MESSAGE).map_err(|_| unclear())?
    else {
        return Err(unclear());
    };
    let shown = why.chars().filter(|c| !c.is_control()).take(MAX_REASON);
    Ok(Answer::No(shown.collect()))
}

/// Answers.
pub(crate) async fn reply(link: &mut Link, answer: &Answer) -> Result<(), PodError> {
    let bytes = match answer {
        Answer::Ready => encode(&(0u8,))?,
        Answer::ShowLog => encode(&(1u8,))?,
        Answer::No(why) => encode(&(2u8, why))?,
    };
    link.send(bytes).await?;
    Ok(())
}

/// Which pod the dialler asks for.
pub(crate) async fn asked(link: &mut Link) -> Result<Did, PodError> {
    let bytes = next(link).await?;
    match codec::decode(&bytes, 256) {
        Ok((1u8, did)) => Ok(did),
        _ => Err(unclear()),
    }
}

/// What was asked for, as far as it has come.
pub(crate) struct Shown {
    car: Vec<u8>,
    last: bool,
    /// What came with it.
    pub token: Option<Vec<u8>>,
}

impl Shown {
    /// The beginning.
    pub async fn begin(link: &mut Link) -> Result<Self, PodError> {
        let Part(2, part, last, token) =
            codec::decode(&next(link).await?, MAX_MESSAGE).map_err(|_| unclear())?
        else {
            return Err(unclear());
        };
        if token.as_ref().is_some_and(|t| t.len() > MAX_TOKEN) {
            return Err(too_large());
        }
        Ok(Self {
            car: part.into_vec(),
            last,
            token: token.map(ByteBuf::into_vec),
        })
    }

    /// All of it, to be read by [`Log::from_car`]: that takes time.
    pub async fn rest(mut self, link: &mut Link) -> Result<Vec<u8>, PodError> {
        while !self.last {
            let Part(2, part, last, None) =
                codec::decode(&next(link).await?, MAX_MESSAGE).map_err(|_| unclear())?
            else {
                return Err(unclear());
            };
            if self.car.len() + part.len() > MAX_LOG {
                return Err(too_large());
            }
            self.car.extend_from_slice(&part);
            self.last = last;
        }
        Ok(self.car)
    }
}

fn too_large() -> PodError {
    PodError::Peer("the device log is larger than is read here".into())
}

/// The log that was asked for, verified, and the token that came with it.
pub(crate) async fn shown(link: &mut Link) -> Result<(Log, Option<Vec<u8>>), PodError> {
    let mut shown = Shown::begin(link).await?;
    let token = shown.token.take();
    let car = shown.rest(link).await?;
    Ok((block_in_place(|| Log::from_car(&car))?, token))
}
