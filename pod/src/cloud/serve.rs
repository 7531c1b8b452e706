//! What a cloud peer does for those who come.

use std::sync::Arc;

use rhizome_identity::{Did, Log, SealedHead};
use rhizome_ipld::PublicKey;
use rhizome_network::Link;
use rhizome_sealed::SealedPod;
use rhizome_sync::{Limits, Role, Store};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::{HELLO_WAIT, Shared, found, now};
use crate::{
    PodError, erasures, files,
    grant::{self, Asked},
    home::now_ms,
    sync::{Until, Way, drive, hello},
};

const UNINVITED: &str = "this pod is not kept here, and the invitation is missing, used up or over: add this peer with a whole address, \
                         as `rhizome cloud-peer invite` prints it there";
/// A pod's device was here: that is noted as often as this.
const SEEN: u64 = 60_000;

/// What one session may use: less than between two devices of a person. A commit of an import has some 10 MiB.
fn limits() -> Limits {
    Limits {
        window: 2 << 20,
        batch: 512 << 10,
        live_window: 1 << 20,
        commit: 64 << 20,
        ..Limits::default()
    }
}

/// Why somebody is not let in; with the device log that shows it, if he may see that.
type Refused = (&'static str, Option<Log>);

impl Shared {
    /// A device comes to exchange.
    pub(super) async fn answer(self: &Arc<Self>, mut link: Link) -> Result<(), PodError> {
        let Some(pod) = self.check(&mut link).await? else {
            let _ = link.close().await;
            return Ok(());
        };
        let store = pod.store(now());
        let (news, told) = mpsc::unbounded_channel();
        let out = Arc::new(Notify::new());
        let now_out = Arc::clone(&out);
        let watching = self.watch(&pod, link.peer(), move || now_out.notify_one());
        if !pod.admits(&link.peer()) {
            return Ok(()); // taken out just now
        }
        let listening = store.listen(move |new| {
            let _ = news.send(new);
        });
        let turn = self.turns.of(&pod.did());
        if now().saturating_sub(pod.usage().last_activity) > SEEN {
            let pod = Arc::clone(&pod);
            turn.work(move || pod.touch(now())).await??;
        }
        let way = Way {
            limits: limits(),
            turn: Some(turn),
        };
        let mut nothing = |_: &_| ();
        let (role, until) = (Role::Responder, Until::Closed);
        let session = drive(link, role, store, told, until, &way, &mut nothing);
        let done = tokio::select! {
            done = session => done.map(drop),
            // the device was taken out meanwhile
            () = out.notified() => Ok(()),
        };
        drop((listening, watching));
        done
    }

    /// A device wants files, or brings some.
    pub(super) async fn answer_files(self: &Arc<Self>, mut link: Link) -> Result<(), PodError> {
        if let Some(pod) = self.check(&mut link).await? {
            let turn = self.turns.of(&pod.did());
            let (shared, kept) = (Arc::clone(self), Arc::clone(&pod));
            let store = move || shared.files(&kept.did(), kept.usage().quota);
            let store = turn.work(store).await??;
            let key = link.peer();
            // it may be taken out, or the pod forgotten, while the link is open
            let admits = || pod.admits(&key);
            files::answer_sealed(&mut link, &store, &turn, &admits).await?;
        }
        let _ = link.close().await;
        Ok(())
    }

    /// A device says what is erased.
    pub(super) async fn answer_erasures(self: &Arc<Self>, mut link: Link) -> Result<(), PodError> {
        if let Some(pod) = self.check(&mut link).await? {
            let turn = self.turns.of(&pod.did());
            erasures::hear(&mut link, &pod, &turn, now()).await?;
        }
        let _ = link.close().await;
        Ok(())
    }

    /// Whether it is a device of a pod that is kept here, or may be from now on.
    async fn check(self: &Arc<Self>, link: &mut Link) -> Result<Option<Arc<SealedPod>>, PodError> {
        let pod = {
            let Ok(_place) = self.strangers.try_acquire() else {
                hello::reply(link, &hello::Answer::No("busy: try again later".into())).await?;
                return Ok(None);
            };
            let asked = tokio::time::timeout(HELLO_WAIT, self.identify(link)).await;
            asked.unwrap_or_else(|_| Err(PodError::Peer("it said nothing".into())))?
        };
        let Some(pod) = pod else { return Ok(None) };
        link.welcome();
        // whoever comes too often waits with one of his own places
        tokio::time::sleep(self.pace.step(&pod.did(), Instant::now())).await;
        hello::reply(link, &hello::Answer::Ready).await?;
        Ok(Some(pod))
    }

    /// Of which pod it is a device; if of none, it has been told why not.
    async fn identify(
        self: &Arc<Self>,
        link: &mut Link,
    ) -> Result<Option<Arc<SealedPod>>, PodError> {
        let did = hello::asked(link).await?;
        let key = link.peer();
        let shared = Arc::clone(self);
        let pod = self.turns.next(move || shared.sealed.pod(&did)).await??;
        let kept = pod.is_some();
        if let Some(pod) = pod.filter(|pod| pod.admits(&key)) {
            return Ok(Some(pod));
        }
        hello::reply(link, &hello::Answer::ShowLog).await?;
        let mut shown = hello::Shown::begin(link).await?;
        let token = shown.token.take().unwrap_or_default();
        let asked = self.judge(&key, &did, &token);
        let invited = asked
            .as_ref()
            .is_some_and(|asked| self.invitations.is_good(&asked.root, now_ms()));
        let considered = if kept || invited {
            let _turn = self.turns.read_log().await?;
            let car = shown.rest(link).await?;
            let shared = Arc::clone(self);
            let consider =
                move || shared.consider(&did, &key, &Log::from_car(&car)?, asked.as_ref());
            self.turns.for_stranger(consider).await??
        } else {
            Err((UNINVITED, None))
        };
        match considered {
            Ok(pod) => Ok(Some(pod)),
            Err((why, log)) => {
                hello::reply(link, &hello::Answer::No(why.into())).await?;
                if let Some(log) = log {
                    // so that a device that was taken out learns it
                    hello::show(link, &log, None).await?;
                }
                Ok(None)
            }
        }
    }

    /// What a device brings, if it brings an invitation.
    fn judge(&self, key: &PublicKey, did: &Did, token: &[u8]) -> Option<Asked> {
        let seconds = now_ms().max(0).unsigned_abs() / 1000;
        grant::judge(&self.key.as_ref()?.public(), key, did, token, seconds)
    }

    /// Whether a log lets a key in; else why not. The pod is kept from now on.
    fn consider(
        &self,
        did: &Did,
        key: &PublicKey,
        log: &Log,
        asked: Option<&Asked>,
    ) -> Result<Result<Arc<SealedPod>, Refused>, PodError> {
        if log.did() != *did {
            return Ok(Err(("that is the device log of another pod", None)));
        }
        let pod = match self.sealed.pod(did)? {
            Some(pod) => {
                pod.add_log(log, now())?;
                pod
            }
            None if log.resolve().device(key).is_none() => {
                return Ok(Err(("this device is none of the pod's", None)));
            }
            None => {
                let taken = match asked {
                    Some(asked) => self.invitations.take(&asked.root, now_ms())?,
                    None => None,
                };
                let Some(invitation) = taken else {
                    return Ok(Err((UNINVITED, None)));
                };
                let quota = invitation.quota.unwrap_or(self.quota);
                let quota = quota.min(asked.and_then(|a| a.quota).unwrap_or(quota));
                self.sealed.host(log, quota, now())?;
                match self.sealed.pod(did)? {
                    Some(pod) => pod,
                    None => return Ok(Err(("the pod was removed just now", None))),
                }
            }
        };
        if pod.admits(key) {
            Ok(Ok(pod))
        } else {
            let log = pod.with_certificates(|set| {
                let was = set.resolution().was_listed(key);
                was.then(|| set.log().clone())
            })?;
            Ok(Err((
                "this device is not, or no longer, one of the pod's",
                log,
            )))
        }
    }

    /// Somebody with recovery words looks for the pods they belong to.
    pub(super) async fn find(self: &Arc<Self>, mut link: Link) -> Result<(), PodError> {
        let Ok(_place) = self.strangers.try_acquire() else {
            return Ok(());
        };
        let asked = tokio::time::timeout(HELLO_WAIT, found::asked(&mut link)).await;
        let hidden = asked.map_err(|_| PodError::Peer("it said nothing".into()))??;
        let shared = Arc::clone(self);
        let search = move || -> Result<Vec<(Log, Vec<SealedHead>)>, PodError> {
            let mut out = Vec::new();
            let found = shared.sealed.find_by_policy_key(&hidden)?;
            for did in found.into_iter().take(found::MAX_FOUND) {
                if let Some(pod) = shared.sealed.pod(&did)? {
                    let log = pod.with_certificates(|set| set.log().clone())?;
                    out.push((log, heads(&pod)?));
                }
            }
            Ok(out)
        };
        let found = self.turns.for_stranger(search).await??;
        if !found.is_empty() {
            link.welcome();
        }
        found::tell(&mut link, &found).await?;
        let _ = link.close().await;
        Ok(())
    }
}

/// The heads of everything in a pod, as far as it counts.
fn heads(pod: &Arc<SealedPod>) -> Result<Vec<SealedHead>, PodError> {
    let store = pod.store(now());
    let failed = |e: rhizome_sync::StoreError| PodError::Peer(e.to_string());
    let mut out = Vec::new();
    for (process, _) in store.chains().map_err(failed)? {
        if let Some(chain) = store.chain(&process).map_err(failed)? {
            out.extend(chain.heads.into_iter().map(|(seq, commit)| SealedHead {
                process,
                seq,
                commit,
            }));
        }
        if out.len() > found::MAX_HEADS {
            break;
        }
    }
    out.truncate(found::MAX_HEADS);
    Ok(out)
}
