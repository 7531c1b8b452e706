//! Waiting for a new device: who shows the code, and what it takes to be let in by it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};
use std::time::Duration;

use parking_lot::Mutex;
use rhizome_identity::{Operation, Proposal, Role};
use rhizome_ipld::PublicKey;
use rhizome_network::{Link, PeerAddress};
use serde_json::{Value as Json, json};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use zeroize::Zeroizing;

use crate::{
    COMPARED, Emoji, Pod, PodError, PodNode,
    home::random_bytes,
    pairing::{self, Newcomer, PairingCode},
};

/// How long a pairing code is good.
pub const PAIRING_TIME: Duration = Duration::from_mins(2);
/// Wrong attempts after which it is not: proofs that prove nothing, or comparisons without two yeses.
pub const PAIRING_ATTEMPTS: u32 = 5;

/// What a new device may do: all, or write only.
pub(crate) fn invited_role(member_only: bool) -> Role {
    if member_only {
        Role::Member
    } else {
        Role::Admin
    }
}

/// The code that was made last, and what came of it.
#[derive(Default)]
pub(crate) struct Invitations {
    made: Mutex<Option<Arc<Invitation>>>,
    /// How many comparisons there have been.
    comparisons: AtomicU64,
    last_joined: Mutex<Option<Joined>>,
}

/// A code.
struct Invitation {
    trust: Trust,
    role: Role,
    until: Instant,
    attempts: AtomicU32,
    /// A device is being added by it.
    used: AtomicBool,
    joined: watch::Sender<Option<Joined>>,
}

/// How a new device is known.
enum Trust {
    /// By a proof that it has the secret of the code.
    Secret(Zeroizing<[u8; 32]>),
    /// By a person who looks at both.
    Person(Box<Desk>),
}

/// Where comparisons are made.
#[derive(Default)]
struct Desk {
    /// One at a time: there is one screen.
    turn: tokio::sync::Mutex<()>,
    now: Mutex<Option<Asked>>,
    /// One has ended with a no.
    refused: AtomicBool,
}

/// What a person is asked.
struct Asked {
    comparison: Comparison,
    /// Until the person has said it. Dropped, it is a no.
    answer: Option<oneshot::Sender<bool>>,
}

/// What a person is to compare with what the new device shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Which: the answer is for this one only.
    pub id: u64,
    /// What the new device calls itself.
    pub name: String,
    /// To be shown in this order.
    pub emoji: [Emoji; COMPARED],
}

/// How it stands with a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingState {
    /// It is still good.
    pub open: bool,
    /// The comparison that goes on.
    pub comparison: Option<Comparison>,
    /// A comparison has ended with a no, on one device or the other.
    pub refused: bool,
    /// The device that joined by the last code.
    pub joined: Option<Joined>,
}

impl PairingState {
    /// As the API prints it.
    pub fn to_json(&self) -> Json {
        let comparison = self
            .comparison
            .as_ref()
            .map(|c| json!({ "id": c.id, "name": c.name, "emoji": c.emoji }));
        let joined = self
            .joined
            .as_ref()
            .map(|j| json!({ "key": j.key.to_did_key(), "name": j.name }));
        json!({
            "open": self.open,
            "comparison": comparison,
            "refused": self.refused,
            "joined": joined,
        })
    }
}

/// A device that has been added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its key.
    pub key: PublicKey,
    /// Its name.
    pub name: String,
}

/// Waits for the device that was invited.
pub struct Waiting {
    wait: watch::Receiver<Option<Joined>>,
    until: Instant,
}

impl Waiting {
    /// The device that joined; `None` if the code is no longer good.
    pub async fn joined(&mut self) -> Option<Joined> {
        loop {
            if let Some(joined) = self.wait.borrow_and_update().clone() {
                return Some(joined);
            }
            match tokio::time::timeout_at(self.until, self.wait.changed()).await {
                Ok(Ok(())) => (),
                // the invitation was used up or taken back, or its time is over
                Ok(Err(_)) | Err(_) => return self.wait.borrow().clone(),
            }
        }
    }
}

impl PodNode {
    /// Makes a code for one new device, good for [`PAIRING_TIME`]. A code of before is good no longer.
    ///
    /// # Errors
    /// [`PodError::Share`] if this device may not add others.
    pub fn invite(&self, role: Role) -> Result<(PairingCode, Waiting), PodError> {
        let mut secret = Zeroizing::new([0; 32]);
        random_bytes()?(&mut *secret);
        let (address, waiting) = self.wait_for(role, Trust::Secret(secret.clone()))?;
        Ok((PairingCode { address, secret }, waiting))
    }

    /// As [`Self::invite`], with a code that is no secret. Instead of proving that it has one, the new device shows pictures, and so does
    /// this one ([`Self::pairing`]); a person says whether they are the same ([`Self::confirm`]).
    ///
    /// # Errors
    /// As [`Self::invite`].
    pub fn invite_to_compare(&self, role: Role) -> Result<(PeerAddress, Waiting), PodError> {
        self.wait_for(role, Trust::Person(Box::default()))
    }

    fn wait_for(&self, role: Role, trust: Trust) -> Result<(PeerAddress, Waiting), PodError> {
        let pod = self.pod();
        if !pod.is_admin() {
            return Err(rhizome_share::ShareError::NotAnAdmin.into());
        }
        let own = pod.signing_key().public();
        if pod.device_name(&own).is_none() {
            // from now on there is more than one to tell apart
            pod.name_device(&own, &crate::host_name())?;
        }
        self.announce()?;
        let (joined, wait) = watch::channel(None);
        let until = Instant::now() + PAIRING_TIME;
        self.shared().invitations.replace(Some(Arc::new(Invitation {
            trust,
            role,
            until,
            attempts: AtomicU32::new(0),
            used: AtomicBool::new(false),
            joined,
        })));
        self.shared().invitations.last_joined.lock().take();
        Ok((self.address()?, Waiting { wait, until }))
    }

    /// How it stands with the code that was made last.
    pub fn pairing(&self) -> PairingState {
        // in this order: who joins is known before the comparison is over, and that before the code is
        let invitation = self.shared().invitations.current();
        let desk = match invitation.as_ref().map(|i| &i.trust) {
            Some(Trust::Person(desk)) => Some(desk),
            _ => None,
        };
        let comparison = desk.and_then(|d| Some(d.now.lock().as_ref()?.comparison.clone()));
        PairingState {
            open: invitation.is_some(),
            comparison,
            refused: desk.is_some_and(|d| d.refused.load(Ordering::Acquire)),
            joined: self.shared().invitations.last_joined.lock().clone(),
        }
    }

    /// Says whether both devices show the same in this comparison.
    ///
    /// # Errors
    /// [`PodError::Request`] if it waits for no answer (any more).
    pub fn confirm(&self, comparison: u64, same: bool) -> Result<(), PodError> {
        let invitation = self.shared().invitations.current();
        let answer = match invitation.as_ref().map(|i| &i.trust) {
            Some(Trust::Person(desk)) => {
                let mut now = desk.now.lock();
                now.as_mut()
                    .filter(|a| a.comparison.id == comparison)
                    .and_then(|a| a.answer.take())
            }
            _ => None,
        };
        let told = answer.is_some_and(|a| a.send(same).is_ok());
        let over = || PodError::Request("this comparison is over: begin with a new code".into());
        told.then_some(()).ok_or_else(over)
    }

    /// Takes the code back.
    pub fn uninvite(&self) {
        self.shared().invitations.replace(None);
    }
}

impl Invitations {
    /// Whether a device is expected.
    pub fn is_open(&self) -> bool {
        self.current().is_some()
    }

    /// The code, if it is good.
    fn current(&self) -> Option<Arc<Invitation>> {
        let mut invitation = self.made.lock();
        let good = |i: &Arc<Invitation>| {
            Instant::now() < i.until && i.attempts.load(Ordering::Relaxed) < PAIRING_ATTEMPTS
        };
        if !invitation.as_ref().is_some_and(good) {
            invitation.take();
        }
        invitation.clone()
    }

    /// The one of before is good no longer, and what is being compared by it is over.
    fn replace(&self, new: Option<Arc<Invitation>>) {
        let before = std::mem::replace(&mut *self.made.lock(), new);
        if let Some(Trust::Person(desk)) = before.as_ref().map(|i| &i.trust) {
            desk.now.lock().take();
        }
    }

    /// Whether it is the one that was made last, and is still good.
    fn is_current(&self, invitation: &Arc<Invitation>) -> bool {
        let now = self.current();
        now.is_some_and(|i| Arc::ptr_eq(&i, invitation))
    }

    /// Makes it good for nobody. A newer one stays.
    fn retire(&self, invitation: &Arc<Invitation>) {
        let mut now = self.made.lock();
        if now.as_ref().is_some_and(|i| Arc::ptr_eq(i, invitation)) {
            now.take();
        }
    }

    /// Somebody has a pairing code, perhaps.
    pub async fn receive(&self, pod: &Pod, mut link: Link) {
        let Some(invitation) = self.current() else {
            return;
        };
        // kept until all is noted: the next one finds it so
        let mut turn = None;
        match self.pair(pod, &mut link, &invitation, &mut turn).await {
            Ok(joined) => {
                // first who, then that nobody is expected any more: whoever asks in between must not hear that nobody came
                *self.last_joined.lock() = Some(joined.clone());
                self.retire(&invitation);
                invitation.joined.send_replace(Some(joined));
                drop(link.close().await);
            }
            Err(error) => {
                if matches!(error, PodError::NotConfirmed) {
                    // whoever said it knows, and so does who was told
                    tracing::debug!(%error, "pairing failed");
                } else {
                    tracing::warn!(%error, "pairing failed");
                }
                match &invitation.trust {
                    Trust::Person(desk) => {
                        // who was not compared has used up nothing
                        if turn.is_some() {
                            invitation.attempts.fetch_add(1, Ordering::Relaxed);
                            if matches!(error, PodError::NotConfirmed) {
                                desk.refused.store(true, Ordering::Release);
                            }
                            desk.now.lock().take();
                        }
                    }
                    Trust::Secret(_) => {
                        invitation.attempts.fetch_add(1, Ordering::Relaxed);
                    }
                }
                if invitation.used.load(Ordering::Relaxed) {
                    self.retire(&invitation);
                }
                drop(turn);
                // why not is heard before the end
                drop(link.close().await);
            }
        }
    }

    /// Both devices show the same pictures, and both people say so.
    async fn compare<'i>(
        &self,
        link: &mut Link,
        own: &PublicKey,
        invitation: &'i Arc<Invitation>,
        desk: &'i Desk,
        turn: &mut Option<tokio::sync::MutexGuard<'i, ()>>,
    ) -> Result<Newcomer, PodError> {
        let hearing = pairing::hear(link, invitation.role);
        let over = |_| PodError::Refused("the two minutes are over".into());
        let comparing = tokio::time::timeout_at(invitation.until, hearing)
            .await
            .map_err(over)??;
        let Ok(mine) = desk.turn.try_lock() else {
            return Err(pairing::busy(link).await);
        };
        if !self.is_current(invitation) {
            return Err(PodError::Refused("the code is no longer good".into()));
        }
        *turn = Some(mine);
        let mut nonce = [0; 32];
        random_bytes()?(&mut nonce);
        let emoji = pairing::reveal(link, own, &comparing, nonce).await?;
        let (answer, person) = oneshot::channel();
        let comparison = Comparison {
            id: self.comparisons.fetch_add(1, Ordering::Relaxed),
            name: comparing.newcomer.name.clone(),
            emoji,
        };
        *desk.now.lock() = Some(Asked {
            comparison,
            answer: Some(answer),
        });
        if !self.is_current(invitation) {
            // taken back before there was anything to end
            desk.now.lock().take();
        }
        let person = async { person.await.unwrap_or(false) };
        pairing::agree(link, person, invitation.until).await?;
        Ok(comparing.newcomer)
    }

    async fn pair<'i>(
        &self,
        pod: &Pod,
        link: &mut Link,
        invitation: &'i Arc<Invitation>,
        turn: &mut Option<tokio::sync::MutexGuard<'i, ()>>,
    ) -> Result<Joined, PodError> {
        let key = pod.signing_key();
        let own = key.public();
        let newcomer = match &invitation.trust {
            Trust::Secret(secret) => pairing::greet(link, &own, secret, invitation.role).await?,
            Trust::Person(desk) => self.compare(link, &own, invitation, desk, turn).await?,
        };
        let joined = Joined {
            key: newcomer.device.key,
            name: newcomer.name.clone(),
        };
        let (_, log) = pod.device_log();
        let mut proposal = log.add_device(&own, newcomer.device)?;
        proposal.sign(&key)?;
        let complete = |all: Proposal| -> Result<Operation, PodError> {
            let operation = all.complete()?;
            // a code is good for one device, however many come at once
            if !self.is_current(invitation) || invitation.used.swap(true, Ordering::Relaxed) {
                return Err(PodError::Refused("the code has been used".into()));
            }
            tokio::task::block_in_place(|| {
                pod.member().take_operation(operation.clone())?;
                pod.name_device(&joined.key, &joined.name)
            })?;
            Ok(operation)
        };
        pairing::admit(link, &log, &proposal, complete).await?;
        Ok(joined)
    }
}
