//! Leaving a message for somebody's pod, where it runs or with a peer that keeps it; and taking one that is left with this pod itself.

use std::time::Duration;

use rhizome_identity::{Did, Log};
use rhizome_ipld::Signed;
use rhizome_network::{Link, PeerAddress, Protocol};
use tokio::task::block_in_place;

use super::{
    InboxError, MAX_MESSAGE, Message, MessageId,
    message::Sender,
    talk::{self, Taken},
};
use crate::{
    Pod, PodError, PodNode,
    home::{now_ms, random_bytes},
    node,
    sync::hello,
};

/// How long somebody may take to say his message.
const MESSAGE_WAIT: Duration = Duration::from_secs(30);

/// A message that is sealed and signed. Left twice, or with two peers, it arrives once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedMessage {
    id: MessageId,
    to: Did,
    bytes: Vec<u8>,
}

impl SealedMessage {
    /// Reads one that was kept, to be left later.
    ///
    /// # Errors
    /// [`InboxError::TooLarge`], [`InboxError::Signature`]. Whether anybody takes it is not asked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InboxError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(InboxError::TooLarge(bytes.len()));
        }
        let message = Signed::<Message>::from_bytes(bytes)?.verify()?;
        Ok(Self {
            id: MessageId::of(&message),
            to: message.to,
            bytes: bytes.to_vec(),
        })
    }

    /// Its name.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// The pod that it is for.
    pub fn to(&self) -> Did {
        self.to
    }

    /// As it goes over a link.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A message that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its name.
    pub id: MessageId,
    /// It was there already.
    pub known: bool,
}

impl Pod {
    /// Seals `content` (at most 200 KiB) for the devices of the pod whose device log is `to`, and signs it as this device. `proof` is a
    /// container of delegations (UCAN) that begins with one under `/pod/tuple` by a device of that pod and ends at this one's DID; those
    /// that are over or were revoked are as good. It can be left during 90 days.
    ///
    /// # Errors
    /// [`PodError::Inbox`] if it is too large, or that pod has no device; those of randomness.
    pub fn seal_message(
        &self,
        to: &Log,
        content: &[u8],
        proof: &[u8],
    ) -> Result<SealedMessage, PodError> {
        let (_, log) = self.device_log();
        let sender = Sender {
            log: &log,
            key: &self.signing_key(),
            at: now_ms(),
            proof,
        };
        let message = Message::seal(&to.resolve(), &sender, content, &mut random_bytes()?)?;
        Ok(SealedMessage {
            id: MessageId::of(&message),
            to: message.to,
            bytes: message.to_bytes(),
        })
    }
}

impl PodNode {
    /// Leaves a message for the pod whose device log is `to`, at `address`: where it runs, or a peer that keeps it. As
    /// [`Pod::seal_message`], then [`Self::leave_sealed`].
    ///
    /// # Errors
    /// Those of both.
    pub async fn leave(
        &self,
        address: &PeerAddress,
        to: &Log,
        content: &[u8],
        proof: &[u8],
    ) -> Result<Left, PodError> {
        let message = block_in_place(|| self.pod().seal_message(to, content, proof))?;
        self.leave_sealed(address, &message).await
    }

    /// Leaves a message. It is on stable storage there when this returns.
    ///
    /// # Errors
    /// [`PodError::Refused`] with the reason if it is not taken: the pod is not kept there, there is no room, the proof is none. Those of the
    /// connection.
    pub async fn leave_sealed(
        &self,
        address: &PeerAddress,
        message: &SealedMessage,
    ) -> Result<Left, PodError> {
        let mut link = self.link(address, Protocol::Inbox).await?;
        hello::ask_to_leave(&mut link, &message.to).await?;
        let taken = talk::leave(&mut link, &message.bytes).await?;
        let _ = link.close().await;
        Ok(Left {
            id: message.id,
            known: taken == Taken::Known,
        })
    }
}

impl node::Shared {
    /// Somebody leaves a message for this pod.
    pub(crate) async fn answer_inbox(&self, mut link: Link) {
        let key = link.peer();
        let asked = tokio::time::timeout(MESSAGE_WAIT, self.take_message(&mut link)).await;
        match asked.unwrap_or_else(|_| Err(PodError::Peer("it said nothing".into()))) {
            Ok(()) => drop(link.close().await),
            Err(error) => tracing::debug!(%key, %error, "a message was not left"),
        }
    }

    async fn take_message(&self, link: &mut Link) -> Result<(), PodError> {
        let pod = &self.pod;
        let no = match hello::asked(link).await? {
            hello::Asked::Leave(did) if did.to_string() == pod.did() => None,
            // what a device of this pod could collect here it has by exchanging
            hello::Asked::Pod(did) if did.to_string() == pod.did() => {
                Some("this is the pod itself: there are no messages to collect, only tuples")
            }
            hello::Asked::Leave(_) => Some("this pod is not here"),
            _ => return Err(hello::unclear()),
        };
        if let Some(why) = no {
            return hello::reply(link, &hello::Answer::No(why.into())).await;
        }
        let Ok(_place) = pod.inbox().leaving.try_acquire() else {
            let busy = hello::Answer::No("busy: try again later".into());
            return hello::reply(link, &busy).await;
        };
        hello::reply(link, &hello::Answer::Ready).await?;
        let done = match talk::left(link).await? {
            Some(message) => block_in_place(|| keep(pod, &message)),
            None => Err(InboxError::TooLarge(MAX_MESSAGE + 1).into()),
        };
        match done {
            Ok(taken) => {
                link.welcome();
                talk::tell_taken(link, taken).await
            }
            Err(PodError::Inbox(why)) => talk::refuse(link, &why.to_string()).await,
            Err(PodError::Refused(why)) => talk::refuse(link, &why).await,
            Err(error) => {
                // what is wrong here is nobody else's business
                talk::refuse(link, "it could not be kept: try again later").await?;
                Err(error)
            }
        }
    }
}

fn keep(pod: &Pod, bytes: &[u8]) -> Result<Taken, PodError> {
    let now_ms = now_ms();
    let (id, received) = pod.open_message(bytes, Some(now_ms))?;
    if pod.knows_message(&id) {
        return Ok(Taken::Known);
    }
    if !pod.inbox().admits(received.from, bytes.len(), now_ms) {
        return Err(PodError::Refused(
            "as many messages as one may leave here in a day, 100 and 2 MiB: try again tomorrow, or at a peer that keeps this pod".into(),
        ));
    }
    pod.keep_messages(vec![(id, received)])?;
    Ok(Taken::New)
}
