//! One comparison of everything: certificates and chains as one set of ids; then chains by their places; then, where that does not
//! explain the difference, chains by their ids.

use crate::{
    SyncError,
    chain::ChainState,
    digest::{Role, digest, material, tag},
    limits::{MAX_CERTIFICATE, MAX_CHAINS, MAX_IDS, MAX_MESSAGE, MAX_OFFERED},
    message::Message,
    set::{Id, Reconciliation, SetMessage},
    store::Store,
};
use rhizome_ipld::PublicKey;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

/// Messages of certificates or chains are filled up to this.
const FULL: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Round {
    pub(super) number: u64,
    digest: Id,
    /// Everything here when it began.
    inventory: Vec<Id>,
    certificates: HashSet<Id>,
    chains: BTreeMap<Id, PublicKey>,
    pub(super) stage: Stage,
    set: Option<Reconciliation>,
    /// What the peer lacks, to be told: certificates first.
    telling: VecDeque<Telling>,
    /// Whether all that the peer lacks was told, and all that this side lacks heard.
    pub(super) told: bool,
    pub(super) heard: bool,
    theirs: Vec<ChainState>,
    /// Chains that may be reconciled by their ids if the peer asks for it.
    differing: BTreeSet<PublicKey>,
    pub(super) by_ids: ByIds,
    /// Offers heard when `Done` was said last.
    done: Option<u64>,
    their_done: Option<u64>,
    pub(super) refused_by_peer: u64,
    pub(super) more: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// The peer has not opened it yet.
    #[default]
    Opened,
    Equal,
    Differs,
    Over,
}

enum Telling {
    Certificate(Id),
    Chain(PublicKey),
    End,
}

impl Round {
    /// Begins a round: looks at everything there is. Returns it and the message that opens it.
    pub(super) fn begin(
        number: u64,
        key: &[u8; 32],
        role: Role,
        lacks: bool,
        store: &dyn Store,
    ) -> Result<(Self, Message<'static>), SyncError> {
        let certificates: HashSet<Id> = store.certificates()?.into_iter().collect();
        let chains: BTreeMap<Id, PublicKey> = store
            .chains()?
            .into_iter()
            .map(|(key, fingerprint)| (fingerprint, key))
            .collect();
        let mut inventory: Vec<Id> = certificates.iter().chain(chains.keys()).copied().collect();
        inventory.sort_unstable();
        let pod = store.pod();
        let digest = digest(&pod, inventory.clone());
        let open = Message::Open {
            pod,
            round: number,
            tag: tag(key, role, number, &digest),
            lacks,
        };
        let round = Self {
            number,
            digest,
            inventory,
            certificates,
            chains,
            ..Self::default()
        };
        Ok((round, open))
    }

    /// The peer opens the round. Returns what to say, if this side is to begin.
    pub(super) fn meet(
        &mut self,
        key: &[u8; 32],
        role: Role,
        theirs: &[u8; 16],
    ) -> Option<SetMessage> {
        if *theirs == tag(key, role.other(), self.number, &self.digest) {
            self.stage = Stage::Equal;
            return None;
        }
        self.stage = Stage::Differs;
        let material = material(key, Role::Initiator, self.number, &[]);
        if role == Role::Responder {
            self.set = Some(Reconciliation::answer(material, None));
            return None;
        }
        let (set, open) = Reconciliation::open(material, &self.inventory, None);
        self.set = Some(set);
        Some(open)
    }

    /// A step of the reconciliation of everything.
    pub(super) fn step(&mut self, step: SetMessage) -> Result<Option<SetMessage>, SyncError> {
        let set = self
            .set
            .as_mut()
            .ok_or(SyncError::Unexpected("a reconciliation that is over"))?;
        let answer = set.handle(step, &self.inventory)?;
        if set.lacking().is_some()
            && let Some(set) = self.set.take()
        {
            let lacking = set.into_lacking();
            for id in lacking.iter().filter(|id| self.certificates.contains(*id)) {
                self.telling.push_back(Telling::Certificate(*id));
            }
            for key in lacking.iter().filter_map(|id| self.chains.get(id)) {
                self.telling.push_back(Telling::Chain(*key));
                self.differing.insert(*key);
            }
            self.telling.push_back(Telling::End);
            self.inventory = Vec::new();
            self.certificates = HashSet::new();
            self.chains = BTreeMap::new();
        }
        Ok(answer)
    }

    /// The next message that tells the peer what it lacks.
    pub(super) fn tell(&mut self, store: &dyn Store) -> Result<Option<Vec<u8>>, SyncError> {
        let mut certificates: Vec<Vec<u8>> = Vec::new();
        let mut size = 0;
        while size < FULL
            && certificates.len() < MAX_IDS
            && let Some(Telling::Certificate(id)) = self.telling.front()
        {
            // one that is too long for a message cannot have come from anywhere
            let bytes = store.certificate(id)?;
            if let Some(bytes) = bytes.filter(|b| b.len() <= MAX_CERTIFICATE) {
                if size + bytes.len() + 8 > MAX_MESSAGE {
                    break;
                }
                size += bytes.len() + 4;
                certificates.push(bytes);
            }
            self.telling.pop_front();
        }
        if !certificates.is_empty() {
            let list = certificates.iter().map(Vec::as_slice).collect();
            return Ok(Some(Message::Certificates { live: false, list }.to_bytes()));
        }
        let mut list: Vec<ChainState> = Vec::new();
        let mut last = false;
        // a chain in many pieces takes 4 kB
        while list.len() < FULL / 4096 && !last {
            match self.telling.pop_front() {
                None if list.is_empty() => return Ok(None),
                None => break,
                Some(Telling::End) => last = true,
                Some(Telling::Chain(key)) => list.extend(store.chain(&key)?),
                Some(certificate @ Telling::Certificate(_)) => {
                    self.telling.push_front(certificate);
                    break;
                }
            }
        }
        self.told |= last;
        Ok(Some(Message::Chains { last, list }.to_bytes()))
    }

    /// Chains of the peer. Returns all of them when they are complete.
    pub(super) fn hear(
        &mut self,
        list: Vec<ChainState>,
        last: bool,
    ) -> Result<Option<Vec<ChainState>>, SyncError> {
        if self.stage != Stage::Differs || self.heard {
            return Err(SyncError::Unexpected("chains"));
        }
        for state in list {
            if self.theirs.len() < MAX_CHAINS {
                self.differing.insert(state.key);
                self.theirs.push(state);
            } else {
                self.more = true;
            }
        }
        self.heard = last;
        Ok(last.then(|| std::mem::take(&mut self.theirs)))
    }

    /// The peer begins to reconcile a chain by its ids, which it may once for each chain that differs.
    pub(super) fn allow(&mut self, key: &PublicKey) -> Result<(), SyncError> {
        if !self.heard || !self.differing.remove(key) {
            return Err(SyncError::Unexpected("a reconciliation of a chain"));
        }
        Ok(())
    }

    /// Whether everything about this side's wishes is settled, except questions that are open.
    pub(super) fn is_settled(&self) -> bool {
        self.told && self.heard && self.by_ids.is_settled()
    }

    /// Says that all is settled, if it was not said since the last offer.
    pub(super) fn done(&mut self) -> Option<Message<'static>> {
        let heard = self.by_ids.offers_heard;
        if self.done == Some(heard) {
            return None;
        }
        self.done = Some(heard);
        Some(Message::Done(heard))
    }

    pub(super) fn their_done(&mut self, offers: u64) -> Result<(), SyncError> {
        if self.stage != Stage::Differs || offers > self.by_ids.offers_made {
            return Err(SyncError::Unexpected("the end of a round"));
        }
        self.their_done = Some(offers);
        Ok(())
    }

    /// Ends it. What is left is a few numbers: an idle session holds little.
    pub(super) fn end(&mut self) {
        self.stage = Stage::Over;
        self.inventory = Vec::new();
        self.certificates = HashSet::new();
        self.chains = BTreeMap::new();
        self.differing = BTreeSet::new();
    }

    /// Whether the peer has all it wants too.
    pub(super) fn is_agreed(&self) -> bool {
        self.done.is_some() && self.their_done == Some(self.by_ids.offers_made)
    }
}

/// Reconciliations of chains by ids: one that this side began, one that the peer began.
#[derive(Default)]
pub(super) struct ByIds {
    pub(super) queue: VecDeque<PublicKey>,
    own: Option<OneChain>,
    theirs: Option<OneChain>,
    offers_made: u64,
    offers_heard: u64,
}

struct OneChain {
    key: PublicKey,
    set: Option<Reconciliation>,
    ids: Vec<Id>,
    offered: bool,
    heard: usize,
    heard_all: bool,
}

impl OneChain {
    fn is_over(&self) -> bool {
        self.offered && self.heard_all
    }
}

impl ByIds {
    fn is_settled(&self) -> bool {
        self.queue.is_empty() && self.own.is_none() && self.theirs.is_none()
    }

    /// Whether the next of the queue may begin.
    pub(super) fn next(&mut self) -> Option<PublicKey> {
        if self.own.is_some() {
            return None;
        }
        self.queue.pop_front()
    }

    pub(super) fn begin(&mut self, key: PublicKey, material: [u8; 32], ids: Vec<Id>) -> SetMessage {
        let (set, open) = Reconciliation::open(material, &ids, None);
        self.own = Some(OneChain::new(key, set, ids));
        open
    }

    /// Whether a step from the peer continues something. `own`: whether the peer began it.
    pub(super) fn knows(&self, key: &PublicKey, own: bool) -> Result<bool, SyncError> {
        let slot = if own { &self.theirs } else { &self.own };
        match slot {
            Some(one) if one.key == *key => Ok(true),
            None if own => Ok(false),
            _ => Err(SyncError::Unexpected("a reconciliation of a chain")),
        }
    }

    pub(super) fn answer(&mut self, key: PublicKey, material: [u8; 32], ids: Vec<Id>) {
        self.queue.retain(|k| *k != key);
        let set = Reconciliation::answer(material, None);
        self.theirs = Some(OneChain::new(key, set, ids));
    }

    /// A step. Returns the answer, and offers once it is known what the peer lacks; the flag says that there are more than fit a round.
    pub(super) fn step(
        &mut self,
        own: bool,
        step: SetMessage,
    ) -> Result<(Option<SetMessage>, Vec<Message<'static>>, bool), SyncError> {
        const OVER: SyncError = SyncError::Unexpected("a reconciliation that is over");
        let slot = if own { &mut self.theirs } else { &mut self.own };
        let one = slot.as_mut().ok_or(OVER)?;
        let set = one.set.as_mut().ok_or(OVER)?;
        let answer = set.handle(step, &one.ids)?;
        if set.lacking().is_none() {
            return Ok((answer, Vec::new(), false));
        }
        let mut lacking = one
            .set
            .take()
            .map(Reconciliation::into_lacking)
            .unwrap_or_default();
        one.ids = Vec::new();
        one.offered = true;
        let more = lacking.len() > MAX_OFFERED;
        lacking.truncate(MAX_OFFERED);
        let mut parts = lacking.chunks(MAX_IDS).peekable();
        let mut offers = Vec::new();
        loop {
            let ids = parts.next().unwrap_or_default().to_vec();
            let last = parts.peek().is_none();
            self.offers_made += 1;
            offers.push(Message::Offer {
                key: one.key,
                own: !own,
                last,
                ids,
            });
            if last {
                break;
            }
        }
        self.sweep();
        Ok((answer, offers, more))
    }

    /// What the peer offers. `own`: whether it began the reconciliation.
    pub(super) fn offered(
        &mut self,
        key: &PublicKey,
        own: bool,
        last: bool,
        n: usize,
    ) -> Result<(), SyncError> {
        let slot = if own { &mut self.theirs } else { &mut self.own };
        let one = slot
            .as_mut()
            .filter(|one| one.key == *key && !one.heard_all)
            .ok_or(SyncError::Unexpected("an offer"))?;
        one.heard += n;
        if one.heard > MAX_OFFERED {
            return Err(SyncError::Limit("offers"));
        }
        one.heard_all = last;
        self.offers_heard += 1;
        self.sweep();
        Ok(())
    }

    fn sweep(&mut self) {
        self.own.take_if(|one| one.is_over());
        self.theirs.take_if(|one| one.is_over());
    }
}

impl OneChain {
    fn new(key: PublicKey, set: Reconciliation, ids: Vec<Id>) -> Self {
        Self {
            key,
            set: Some(set),
            ids,
            offered: false,
            heard: 0,
            heard_all: false,
        }
    }
}
