//! Collecting the messages that wait with a peer.

use rhizome_network::{Link, PeerAddress, Protocol};
use tokio::task::block_in_place;

use super::{
    InboxError, MessageId, Received,
    talk::{self, Wanted},
};
use crate::{Pod, PodError, PodNode, sync::hello::unclear};

/// Bytes that are written together.
const TOGETHER: usize = 2 << 20;

/// What was taken and is not kept yet.
#[derive(Default)]
struct Batch {
    messages: Vec<(MessageId, Received)>,
    bytes: usize,
    /// To be dropped there as well.
    done: Vec<MessageId>,
}

impl PodNode {
    /// Collects the messages that wait for this pod with a peer that keeps it. Each is durably in the pod before the peer is told to drop
    /// it. How many are new.
    ///
    /// # Errors
    /// Those of the connection, of the other side and of writing.
    pub async fn collect(&self, address: &PeerAddress) -> Result<u64, PodError> {
        let pod = self.pod();
        let _one = pod.inbox().collecting.lock().await;
        let mut link = self.dial(address, Protocol::Inbox, None).await?;
        let new = collect(pod, &mut link).await;
        let _ = link.close().await;
        new
    }

    /// The same with a peer that may keep no messages, or be another device, which has none.
    pub(crate) async fn look_for_messages(&self, address: &PeerAddress) -> u64 {
        if self.pod().is_device(&address.key()) {
            return 0;
        }
        let collected = self.collect(address).await;
        collected.unwrap_or_else(|error| {
            tracing::debug!(key = %address.key(), %error, "messages were not collected");
            0
        })
    }
}

async fn collect(pod: &Pod, link: &mut Link) -> Result<u64, PodError> {
    let (mut new, mut after) = (0, None);
    loop {
        talk::want(link, &Wanted::List(after)).await?;
        let ids = talk::listed(link, after).await?;
        let Some(last) = ids.last() else {
            return Ok(new);
        };
        after = Some(*last);
        let mut batch = Batch::default();
        for id in ids {
            if pod.inbox().is_not_ours(&id) {
                continue;
            }
            if pod.knows_message(&id) {
                batch.done.push(id);
                continue;
            }
            talk::want(link, &Wanted::Take(id)).await?;
            let Some(bytes) = talk::given(link).await? else {
                continue;
            };
            match block_in_place(|| pod.open_message(&bytes, None)) {
                Ok((is, _)) if is != id => return Err(unclear()),
                Ok((id, received)) => {
                    batch.bytes += received.content.len();
                    batch.messages.push((id, received));
                }
                // another device may read it
                Err(InboxError::NotForThisDevice) => pod.inbox().note_not_ours(id),
                Err(error) => {
                    tracing::warn!(%id, %error, "a message is dropped");
                    batch.done.push(id);
                }
            }
            if batch.bytes >= TOGETHER {
                new += batch.keep(pod, link).await?;
            }
        }
        new += batch.keep(pod, link).await?;
    }
}

impl Batch {
    async fn keep(&mut self, pod: &Pod, link: &mut Link) -> Result<u64, PodError> {
        let Self { messages, done, .. } = std::mem::take(self);
        let mut done = done;
        done.extend(messages.iter().map(|(id, _)| *id));
        if done.is_empty() {
            return Ok(0);
        }
        let new = block_in_place(|| pod.keep_messages(messages))?;
        talk::want(link, &Wanted::Drop(done)).await?;
        talk::dropped(link).await?;
        Ok(new)
    }
}
