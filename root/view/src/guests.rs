//! Who was given what, as the notes of a view say it.

use rhizome_capability::{
    Command, Context, Delegation, Policy, Principal, Proofs, Resolver, Signer, Wanted,
};
use rhizome_identity::Log;
use rhizome_ipld::{Cid, PublicKey};
use rhizome_replica::Snapshot;
use rhizome_share::Predicate;
use rhizome_tuple::CommitId;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::Arc,
};

use crate::{Handed, Moved, Note, ViewError, Why, Writer, note::Left, notes};

/// What a grant allows. Each allows what is before it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    /// To read.
    Read,
    /// To propose changes.
    Propose,
    /// To write.
    Write,
}

impl Power {
    /// What is delegated.
    pub fn command(self) -> &'static str {
        match self {
            Self::Read => "/pod/tuple/read",
            Self::Propose => "/pod/tuple/propose",
            Self::Write => "/pod/tuple",
        }
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Propose => "propose",
            Self::Write => "write",
        })
    }
}

impl FromStr for Power {
    type Err = String;

    /// Reads `read`, `propose`, `write`, or several with commas: the greatest.
    fn from_str(text: &str) -> Result<Self, String> {
        let one = |word: &str| match word.trim() {
            "read" => Ok(Self::Read),
            "propose" => Ok(Self::Propose),
            "write" => Ok(Self::Write),
            other => Err(format!("`{other}` is none of read, propose, write")),
        };
        let all: Result<Vec<_>, _> = text.split(',').map(one).collect();
        all?.into_iter().max().ok_or_else(|| "nothing".to_owned())
    }
}

/// A delegation of the owner's.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The delegation.
    pub delegation: Arc<Delegation>,
    /// Whether it counts no longer.
    pub revoked: bool,
}

impl Grant {
    /// Makes one: for `to`, about what matches `predicate` in the pod of `owner`, in this view.
    ///
    /// # Errors
    /// [`ViewError::Capability`] for a predicate that no policy can hold.
    pub fn sign(
        owner: &dyn Signer,
        to: Principal,
        power: Power,
        of: (&str, &Predicate),
        until: Option<u64>,
        nonce: &[u8],
    ) -> Result<Self, ViewError> {
        Self::sign_instead(None, owner, to, power, of, until, nonce)
    }

    /// As [`Self::sign`], in place of a grant in another view.
    ///
    /// # Errors
    /// As there.
    pub fn sign_instead(
        instead: Option<&Instead>,
        owner: &dyn Signer,
        to: Principal,
        power: Power,
        (view, predicate): (&str, &Predicate),
        until: Option<u64>,
        nonce: &[u8],
    ) -> Result<Self, ViewError> {
        if has_empty(predicate) {
            return Err(ViewError::NotGranted("a predicate needs a condition"));
        }
        let issuer = owner.issuer();
        let pod: Principal = issuer.did().parse()?;
        let command: Command = power.command().parse()?;
        let policy: Policy = predicate
            .to_policy()
            .map_err(rhizome_capability::CapabilityError::from)?;
        let mut grant = Delegation::to(to, command)
            .subject(pod)
            .policy(policy)
            .meta("view", view);
        if let Some(instead) = instead {
            grant = grant
                .meta(INSTEAD, instead.grant.to_string())
                .meta(KEY, instead.key.to_did_key());
        }
        if let Some(until) = until {
            grant = grant.expires(until);
        }
        Ok(Self {
            delegation: Arc::new(grant.sign(owner, nonce)?),
            revoked: false,
        })
    }

    /// In place of which grant of another view it is, and the key of its holder, if it says so.
    pub fn instead(&self) -> Option<Instead> {
        Instead::of(&self.delegation)
    }

    /// Its name.
    pub fn id(&self) -> &Cid {
        self.delegation.cid()
    }

    /// For whom.
    pub fn to(&self) -> &str {
        self.delegation.audience().did()
    }

    /// What it allows.
    pub fn power(&self) -> Option<Power> {
        let all = [Power::Read, Power::Propose, Power::Write];
        let is = |power: &Power| power.command() == self.delegation.command().as_str();
        all.into_iter().find(is)
    }
}

/// That a grant is in place of one in another view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instead {
    /// That one.
    pub grant: Cid,
    /// The key by which its holder comes.
    pub key: PublicKey,
}

const INSTEAD: &str = "instead";
const KEY: &str = "key";

impl Instead {
    fn of(delegation: &Delegation) -> Option<Self> {
        let text = |name: &str| String::try_from(delegation.meta().get(name)?.clone()).ok();
        Some(Self {
            grant: text(INSTEAD)?.parse().ok()?,
            key: PublicKey::from_did_key(&text(KEY)?).ok()?,
        })
    }
}

/// Whether a list in it is empty. None that was read from text is; as a policy, "all of nothing" would be everything.
fn has_empty(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Has(..) => false,
        Predicate::All(parts) | Predicate::Any(parts) => {
            parts.is_empty() || parts.iter().any(has_empty)
        }
    }
}

/// What a view says of itself and of those who may be there.
#[derive(Debug, Clone, Default)]
pub struct Guests {
    /// The DID of the pod.
    pub of: String,
    /// What is shared.
    pub predicate: Option<Predicate>,
    /// The owner's grants, in the order in which they were given.
    pub grants: Vec<Grant>,
    /// What was refused.
    pub refused: BTreeMap<CommitId, Why>,
    /// The keys that the owner gave to guests in place of those of their invitations, in the order in which he did.
    pub keys: Vec<Handed>,
    /// What it is called, if it is a group.
    pub group: Option<String>,
    moved: Vec<Moved>,
    /// Which keys are known to others, and who says so.
    known: BTreeSet<(PublicKey, PublicKey)>,
    logs: BTreeMap<String, Log>,
    /// Who said that a key writes for him, and by which delegation: by that key.
    claims: BTreeMap<PublicKey, (String, Arc<Delegation>)>,
    /// Who says which commit again.
    again: BTreeSet<(CommitId, PublicKey)>,
    proofs: Proofs,
}

/// What somebody may do in a view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// The greatest power.
    pub power: Option<Power>,
}

impl Guests {
    /// Reads the notes of a view.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn read(view: &str, now: &Snapshot) -> Result<Self, ViewError> {
        Self::read_by(view, now, &|_| true)
    }

    /// As [`Self::read`], of a group: of those whose word counts there, the notes of these alone are an owner's.
    ///
    /// # Errors
    /// As there.
    pub fn read_by(
        view: &str,
        now: &Snapshot,
        owners: &dyn Fn(&PublicKey) -> bool,
    ) -> Result<Self, ViewError> {
        let mut out = Self::default();
        let mut all = notes(view, now)?;
        for left in &mut all {
            left.by_owner &= owners(&left.author);
        }
        let all = all;
        let revoked: BTreeSet<&Cid> = all
            .iter()
            .filter_map(|left| match &left.note {
                Note::Revoked(cid) if left.by_owner => Some(cid),
                _ => None,
            })
            .collect();
        for left in &all {
            out.take(left, &revoked);
        }
        if out.group.is_some() {
            view.clone_into(&mut out.of);
            out.predicate = None;
        }
        Ok(out)
    }

    fn take(&mut self, left: &Left, revoked: &BTreeSet<&Cid>) {
        match (&left.note, left.by_owner) {
            (Note::Terms { of, predicate, log }, true) => {
                self.of.clone_from(of);
                self.predicate = predicate.parse().ok();
                self.know(log);
            }
            (Note::Grant(bytes), true) => {
                if let Ok(delegation) = Delegation::decode(bytes) {
                    let delegation = Arc::new(delegation);
                    let revoked = revoked.contains(delegation.cid());
                    if !revoked {
                        self.proofs.insert(Arc::clone(&delegation));
                    }
                    self.grants.push(Grant {
                        delegation,
                        revoked,
                    });
                }
            }
            (Note::Refused(commit, why), true) => {
                self.refused.insert(*commit, *why);
            }
            (Note::Key(handed), true) => self.keys.push(handed.clone()),
            (Note::Known(key), _) => {
                self.known.insert((*key, left.author));
            }
            // by whomever: it has to be signed
            (Note::Moved(moved), _) => self.moved.push(moved.clone()),
            (Note::Again(commit), false) => {
                self.again.insert((*commit, left.author));
            }
            (Note::Group(name), true) => {
                self.group.get_or_insert_with(|| name.clone());
            }
            (Note::Claim { log, proofs }, _) => {
                let Some(did) = self.know(log) else { return };
                for bytes in proofs {
                    let Ok(delegation) = Delegation::decode(bytes) else {
                        continue;
                    };
                    let delegation = Arc::new(delegation);
                    // nobody says whose somebody else's key is
                    let own = delegation.audience().key() == Some(&left.author);
                    if own && delegation.issuer().did() == did {
                        let claim = (did.clone(), Arc::clone(&delegation));
                        self.claims.insert(left.author, claim);
                    }
                    self.proofs.insert(delegation);
                }
            }
            _ => {}
        }
    }

    /// Takes a device log in, and says whose it is. Of several of one DID the operations are united.
    fn know(&mut self, car: &[u8]) -> Option<String> {
        let log = Log::from_car(car).ok()?;
        self.learn(&log);
        Some(log.did().to_string())
    }

    /// Takes in what else is known of somebody's devices.
    pub fn learn(&mut self, log: &Log) {
        let known = self.logs.entry(log.did().to_string());
        let known = known.or_insert_with(|| log.clone());
        for operation in log.operations() {
            // one that does not fit changes nothing
            drop(known.insert(operation.clone()));
        }
    }

    /// The grants that go on in other views: each with what is in its place and with what its holder is told. A device of the owner's has signed it, and is still one of them.
    pub fn moved(&self) -> impl Iterator<Item = (&Grant, Grant, &Moved)> {
        self.moved.iter().filter_map(|moved| {
            let delegation = Arc::new(Delegation::decode(&moved.delegation).ok()?);
            let new = Grant {
                delegation,
                revoked: false,
            };
            let instead = new.instead()?;
            let old = self.grants.iter().find(|g| *g.id() == instead.grant)?;
            let is_owners = new.delegation.issuer().did() == self.of
                && new.delegation.subject().map(Principal::did) == Some(&*self.of)
                && new.delegation.policy() == old.delegation.policy()
                && new.delegation.verify_signature(self).is_ok();
            is_owners.then_some((old, new, moved))
        })
    }

    /// The device log of somebody who has shown it.
    pub fn log(&self, did: &str) -> Option<&Log> {
        self.logs.get(did)
    }

    /// Whose key this is, as far as somebody has claimed it.
    pub fn claimed(&self, key: &PublicKey) -> Option<&str> {
        self.claims.get(key).map(|(did, _)| did.as_str())
    }

    /// The keys that write for somebody, as he has shown: devices of his signed it.
    pub fn shown(&self, did: &str) -> impl Iterator<Item = &PublicKey> {
        let claims = self.claims.iter().filter(move |(_, (of, _))| of == did);
        let good = claims.filter(|(_, (_, proof))| proof.verify_signature(self).is_ok());
        good.map(|(key, _)| key)
    }

    /// Whose key this is, as a device of his signed it.
    pub fn proven(&self, key: &PublicKey) -> Option<&str> {
        let (did, proof) = self.claims.get(key)?;
        proof.verify_signature(self).is_ok().then_some(did)
    }

    /// Whose word a note is, if that is known for certain: of somebody who has shown that the key is his, the owner or one to whom something was given. That it is by the key of the
    /// owner is not enough: a device that he took out knows that.
    pub fn speaker(&self, left: &Left) -> Option<&str> {
        let did = self.proven(&left.author)?;
        let by_owner = left.by_owner && (self.group.is_some() || did == self.of);
        let given = by_owner || self.grants.iter().any(|grant| grant.to() == did);
        given.then_some(did)
    }

    /// Whether somebody who has shown who he is says that a key which was given to him is known to others.
    pub fn is_known(&self, handed: &Handed) -> bool {
        let mut said = self.known.iter().filter(|(key, _)| *key == handed.key);
        said.any(|(_, by)| self.shown(&handed.to).any(|key| key == by))
    }

    /// Whether somebody says that he says this commit again.
    pub fn is_said_again(&self, commit: &CommitId, did: &str) -> bool {
        let mut all = self.again.iter().filter(|(said, _)| said == commit);
        all.any(|(_, by)| self.shown(did).any(|key| key == by))
    }

    /// What somebody was given that counts at `now`, in seconds since 1970.
    pub fn rights(&self, did: &str, now: u64) -> Rights {
        let good = self.grants.iter().filter(|grant| {
            grant.to() == did && !grant.revoked && grant.delegation.check_time(now).is_ok()
        });
        Rights {
            power: good.filter_map(Grant::power).max(),
        }
    }

    /// Whether the key may write at `now`, in seconds since 1970, and for whom; `None` as long as nobody has said whose it is.
    pub fn writer(&self, key: &PublicKey, now: u64) -> Option<Result<Writer, Why>> {
        let did = self.claimed(key)?;
        let allowed = || {
            let subject: Principal = self.of.parse().ok()?;
            let command: Command = "/pod/tuple/write".parse().ok()?;
            let context = Context {
                now,
                resolver: self,
                revocations: None,
            };
            let wanted = Wanted {
                invoker: &Principal::of(key),
                subject: &subject,
                command: &command,
                arguments: None,
            };
            let chain = self.proofs.search(&wanted, &context)?;
            let root = chain.first()?;
            self.grants
                .iter()
                .any(|grant| grant.id() == root.cid())
                .then(|| Writer {
                    did: did.to_owned(),
                })
        };
        Some(allowed().ok_or(Why::NotAllowed))
    }
}

impl Resolver for Guests {
    fn key(&self, did: &str, fragment: &str) -> Option<PublicKey> {
        let key: PublicKey = fragment.parse().ok()?;
        let resolution = self.logs.get(did)?.resolve();
        resolution.device(&key).map(|active| active.device.key)
    }
}
