//! A relay for the devices of the pods that are kept: they find each other here when neither can reach the other.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    num::NonZeroU32,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use rhizome_identity::Did;
use rhizome_ipld::PublicKey;
use rhizome_network::{Admission, Relay, RelayLimits};
use rhizome_sealed::{Listening, News, SealedPod};
use tokio::task::block_in_place;

use super::Shared;
use crate::PodError;

/// Bytes that are taken from one device in a second.
const RATE: NonZeroU32 = NonZeroU32::new(4 << 20).unwrap();

impl Shared {
    /// Starts the relay. A device brings the DID of its pod as token; its key it proves to the relay.
    pub async fn relay(
        self: &Arc<Self>,
        address: SocketAddr,
        own: PublicKey,
    ) -> Result<Relay, PodError> {
        let shared = Arc::downgrade(self);
        let limits = RelayLimits {
            bytes_per_second: Some(RATE),
        };
        let admit = move |key: &PublicKey, token: Option<&str>| {
            let Some(shared) = shared.upgrade() else {
                return Admission::Reject("shutting down".into());
            };
            let is_kept = || {
                let did = token?.parse::<Did>().ok()?;
                shared.sealed.pod(&did).ok().flatten()
            };
            if *key == own || block_in_place(is_kept).is_some_and(|pod| pod.admits(key)) {
                Admission::Admit
            } else {
                Admission::Reject("this relay is for devices of the pods that are kept here".into())
            }
        };
        Ok(Relay::start(address, limits, admit).await?)
    }

    /// Cuts what a device has open when it is taken out: `gone` is called for the key of this session, and the relay puts it out.
    pub fn watch(
        &self,
        pod: &Arc<SealedPod>,
        key: PublicKey,
        gone: impl Fn() + Send + Sync + 'static,
    ) -> Listening {
        let before: BTreeSet<PublicKey> = pod.devices().into_iter().collect();
        let (before, pod_now) = (Mutex::new(before), Arc::downgrade(pod));
        let relay = self.relay.get().cloned();
        pod.listen(move |news| {
            let (News::Certificate(_), Some(pod)) = (news, pod_now.upgrade()) else {
                return;
            };
            if !pod.admits(&key) {
                gone();
            }
            let now: BTreeSet<PublicKey> = pod.devices().into_iter().collect();
            let mut before = before.lock();
            if let Some(relay) = relay.as_ref().and_then(Weak::upgrade) {
                for key in before.difference(&now) {
                    relay.disconnect(key);
                }
            }
            *before = now;
        })
    }
}
