mod arrival;
mod ask;
mod event;
mod live;
mod round;
mod sending;
mod serve;

pub use event::{Fork, Input, Learned, Local, Output, Progress, Synced};

use crate::{
    SyncError,
    digest::{Role, material},
    limits::{Limits, MAX_EPHEMERAL, MAX_FILLS, MAX_FOLLOWING_ROUNDS, MAX_REFUSED},
    message::Message,
    set::SetMessage,
    store::{Lack, Store},
};
use ask::{Asking, refused_local};
use live::Live;
use rhizome_ipld::PublicKey;
use round::{Round, Stage};
use serve::{Serving, all_ids};
use std::collections::VecDeque;

const EARLY: &str = "a message before the first";

/// One end of a connection between two replicas of a pod.
///
/// Give it what happens ([`Self::handle`]), then do what it says ([`Self::poll`]) until it says nothing, and so on. It does nothing by
/// itself: no clock, no socket, no thread. Commits are read from the store only when `poll` is called for the next message, so whoever
/// calls it only while the link takes more has backpressure; what the peer may have under way to this side is bounded by
/// [`Limits::window`].
///
/// It lives as long as the connection. All it knows is lost with it, and nothing is: what was taken is in the store, and the next session
/// asks for the rest.
pub struct Session {
    role: Role,
    key: [u8; 32],
    limits: Limits,
    now: u64,
    /// When the peer last said something.
    heard: u64,
    out: VecDeque<Output>,
    closed: bool,
    round: Option<Round>,
    /// Rounds begun because something was left over, one after the other.
    following: u32,
    again: bool,
    /// Bytes of leaves to ask for when the round is over.
    lacking: Vec<Lack>,
    /// The peer asks for some then.
    peer_lacks: bool,
    asking: Asking,
    serving: Serving,
    live: Live,
    told_progress: Progress,
    told_timeout: Option<u64>,
}

impl Session {
    /// A session over a fresh connection. `key` is keying material that both ends export from it (TLS exporter, or a shared secret and
    /// fresh nonces of both), which nobody else can know or foresee. `now` is in milliseconds on a clock that does not go back; all later
    /// times are on the same clock.
    pub fn new(role: Role, key: [u8; 32], now: u64, limits: Limits) -> Self {
        Self {
            role,
            key,
            limits,
            now,
            heard: now,
            out: VecDeque::new(),
            closed: false,
            round: None,
            following: 0,
            again: false,
            lacking: Vec::new(),
            peer_lacks: false,
            asking: Asking::default(),
            serving: Serving::default(),
            live: Live::default(),
            told_progress: Progress::default(),
            told_timeout: None,
        }
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes something that happened. Follow it with [`Self::poll`]. Commits are given to the store in here.
    pub fn handle(&mut self, now: u64, input: Input<'_>, store: &mut dyn Store) {
        if self.closed {
            return;
        }
        self.now = self.now.max(now);
        let result = self.input(input, store);
        if let Err(error) = result.and_then(|()| self.advance(store)) {
            self.fail(error);
        }
    }

    /// The next thing to do; none until something happens.
    pub fn poll(&mut self, store: &dyn Store) -> Option<Output> {
        match self.next_output(store) {
            Ok(output) => output,
            Err(error) => {
                self.fail(error);
                self.out.pop_front()
            }
        }
    }

    fn next_output(&mut self, store: &dyn Store) -> Result<Option<Output>, SyncError> {
        if self.round.is_none() && !self.closed {
            self.begin(1, store)?;
        }
        if let Some(output) = self.out.pop_front() {
            return Ok(Some(output));
        }
        if self.closed {
            return Ok(None);
        }
        if let Some(round) = &mut self.round
            && let Some(message) = round.tell(store)?
        {
            self.live.allowed |= round.told;
            return Ok(Some(Output::Send(message)));
        }
        let pushed = self.live.poll(self.limits.live_window, store)?;
        let message = match pushed {
            Some(message) => Some(message),
            None => self.serving.poll(store)?,
        };
        if let Some(message) = message {
            return Ok(Some(Output::Send(message)));
        }
        // what was told may have been the last thing that a round waited for
        self.finish(store)?;
        if let Some(output) = self.out.pop_front() {
            return Ok(Some(output));
        }
        let progress = Progress {
            bytes_sent: self.serving.sent + self.live.sent,
            ..self.asking.progress
        };
        if progress != self.told_progress {
            self.told_progress = progress;
            return Ok(Some(Output::Progress(progress)));
        }
        let timeout = self.deadline();
        if timeout != self.told_timeout {
            self.told_timeout = timeout;
            return Ok(timeout.map(Output::Timeout));
        }
        Ok(None)
    }

    /// When the peer's silence is too long.
    fn deadline(&self) -> Option<u64> {
        let waiting = self.round.as_ref().is_none_or(|r| r.stage != Stage::Over)
            || self.asking.is_waiting_for_peer()
            || self.live.is_waiting_for_peer();
        waiting.then(|| self.heard.saturating_add(self.limits.silence_ms))
    }

    fn fail(&mut self, error: SyncError) {
        if self.closed {
            return;
        }
        self.closed = true;
        if !matches!(error, SyncError::Peer(_)) {
            self.say(&Message::Abort(error.code()));
        }
        self.out.push_back(Output::Abort(error));
        self.round = None;
        self.asking = Asking::default();
        self.serving = Serving::default();
        self.live = Live::default();
    }

    fn say(&mut self, message: &Message<'_>) {
        self.out.push_back(Output::Send(message.to_bytes()));
    }

    fn begin(&mut self, number: u64, store: &dyn Store) -> Result<(), SyncError> {
        self.lacking = store.lacking(MAX_FILLS)?;
        let lacks = !self.lacking.is_empty();
        let (round, open) = Round::begin(number, &self.key, self.role, lacks, store)?;
        self.round = Some(round);
        self.again = false;
        self.live.overflown = false;
        self.asking.refused = 0;
        self.say(&open);
        Ok(())
    }

    fn input(&mut self, input: Input<'_>, store: &mut dyn Store) -> Result<(), SyncError> {
        match input {
            Input::Message(bytes) => {
                self.heard = self.now;
                let message = Message::from_bytes(bytes)?;
                self.message(message, store)
            }
            Input::Local(local) => {
                self.live.push(local);
                Ok(())
            }
            Input::Ephemeral(bytes) => {
                if bytes.len() <= MAX_EPHEMERAL {
                    self.say(&Message::Ephemeral(&bytes));
                }
                Ok(())
            }
            Input::Recheck => {
                self.again = true;
                self.following = 0;
                Ok(())
            }
            Input::Tick => match self.deadline() {
                Some(at) if self.now >= at => Err(SyncError::Silent),
                _ => Ok(()),
            },
        }
    }

    fn message(&mut self, message: Message<'_>, store: &mut dyn Store) -> Result<(), SyncError> {
        if let Message::Abort(code) = message {
            return Err(SyncError::Peer(code));
        }
        if let Message::Open {
            pod,
            round,
            tag,
            lacks,
        } = message
        {
            return self.opened(&pod, round, &tag, lacks, store);
        }
        let round = self.round.as_mut().ok_or(SyncError::Unexpected(EARLY))?;
        if round.number == 1 && round.stage == Stage::Opened {
            return Err(SyncError::Unexpected(EARLY));
        }
        match message {
            Message::Set { chain, own, step } => self.set_step(chain, own, step, store),
            Message::Chains { last, list } => {
                let Some(all) = round.hear(list, last)? else {
                    return Ok(());
                };
                let newest = self.limits.newest_first;
                let by_ids = self.asking.plan(all, newest, store)?;
                round.by_ids.queue.extend(by_ids);
                Ok(())
            }
            Message::Certificates { live, list } => self.certificates(live, &list, store),
            Message::Answer(body) => {
                let Self {
                    asking,
                    limits,
                    live,
                    out,
                    ..
                } = self;
                asking.answered(body, limits, live, store, out)
            }
            Message::End => {
                let by_ids = self.asking.ended(&mut self.live, store, &mut self.out)?;
                round.by_ids.queue.extend(by_ids);
                Ok(())
            }
            Message::Live(body) => self.pushed(body, store),
            Message::Confirm(n) => self.live.confirmed(n, &mut self.out),
            Message::Offer {
                key,
                own,
                last,
                ids,
            } => {
                round.by_ids.offered(&key, own, last, ids.len())?;
                self.asking.want(key, ids, store)
            }
            Message::Done(offers) => round.their_done(offers),
            Message::CommitRefused(..) | Message::CertificateRefused(..) => {
                round.refused_by_peer = round.refused_by_peer.saturating_add(1);
                if let Some((local, why)) = refused_local(&message) {
                    self.live.refused(&local, why);
                    if round.refused_by_peer <= MAX_REFUSED as u64 {
                        self.out.push_back(Output::Refused(local, why));
                    }
                }
                Ok(())
            }
            Message::Ephemeral(bytes) => {
                self.out.push_back(Output::Ephemeral(bytes.to_vec()));
                Ok(())
            }
            question => self.serving.hear(question),
        }
    }

    fn opened(
        &mut self,
        pod: &[u8; 32],
        number: u64,
        tag: &[u8; 16],
        lacks: bool,
        store: &dyn Store,
    ) -> Result<(), SyncError> {
        if *pod != store.pod() {
            return Err(SyncError::OtherPod);
        }
        match &self.round {
            None if number == 1 => self.begin(1, store)?,
            Some(round) if round.stage == Stage::Over && number == round.number + 1 => {
                self.begin(number, store)?;
            }
            Some(round) if round.stage == Stage::Opened && number == round.number => {}
            _ => return Err(SyncError::Unexpected("a round out of order")),
        }
        let Some(round) = &mut self.round else {
            return Ok(());
        };
        self.peer_lacks = lacks;
        let open = round.meet(&self.key, self.role, tag);
        if let Some(step) = open {
            self.say(&Message::Set {
                chain: None,
                own: true,
                step,
            });
        }
        Ok(())
    }

    fn set_step(
        &mut self,
        chain: Option<PublicKey>,
        own: bool,
        step: SetMessage,
        store: &dyn Store,
    ) -> Result<(), SyncError> {
        let Some(round) = &mut self.round else {
            return Ok(());
        };
        let Some(key) = chain else {
            // the initiator always begins that of everything
            if own != (self.role == Role::Responder) {
                return Err(SyncError::Unexpected("a reconciliation of everything"));
            }
            let answer = round.step(step)?;
            if let Some(step) = answer {
                self.say(&Message::Set {
                    chain: None,
                    own: !own,
                    step,
                });
            }
            return Ok(());
        };
        if !round.by_ids.knows(&key, own)? {
            round.allow(&key)?;
            let ids = all_ids(&key, store)?;
            let material = material(&self.key, self.role.other(), round.number, &key.to_bytes());
            round.by_ids.answer(key, material, ids);
        }
        let (answer, offers, more) = round.by_ids.step(own, step)?;
        round.more |= more;
        if let Some(step) = answer {
            self.say(&Message::Set {
                chain: Some(key),
                own: !own,
                step,
            });
        }
        for offer in offers {
            self.say(&offer);
        }
        Ok(())
    }

    /// Goes on with whatever can go on.
    fn advance(&mut self, store: &dyn Store) -> Result<(), SyncError> {
        let Some(round) = &mut self.round else {
            return Ok(());
        };
        if let Some(chain) = round.by_ids.next() {
            let ids = all_ids(&chain, store)?;
            let material = material(&self.key, self.role, round.number, &chain.to_bytes());
            let step = round.by_ids.begin(chain, material, ids);
            self.say(&Message::Set {
                chain: Some(chain),
                own: true,
                step,
            });
        }
        self.asking.ask(&self.limits, &mut self.out);
        self.finish(store)
    }

    /// Ends the round if it can end, and begins the next one if there is to be one.
    fn finish(&mut self, store: &dyn Store) -> Result<(), SyncError> {
        let Some(round) = &mut self.round else {
            return Ok(());
        };
        if round.stage == Stage::Opened {
            return Ok(());
        }
        if round.stage != Stage::Over {
            let equal = round.stage == Stage::Equal;
            if !equal {
                if !round.is_settled() || !self.asking.is_content() {
                    return Ok(());
                }
                if let Some(done) = round.done() {
                    self.out.push_back(Output::Send(done.to_bytes()));
                }
                if !round.is_agreed() {
                    return Ok(());
                }
            }
            round.end();
            self.live.allowed = true;
            let withheld = if equal {
                0
            } else {
                self.asking.withheld(store)?
            };
            let lacking = std::mem::take(&mut self.lacking);
            self.asking.want_leaves(if lacking.is_empty() {
                // perhaps the round has brought some
                store.lacking(MAX_FILLS)?
            } else {
                lacking
            });
            self.out.push_back(Output::Synced(Synced {
                round: round.number,
                equal,
                filling: self.peer_lacks || self.asking.wants_leaves(),
                withheld,
                refused: self.asking.refused,
                refused_by_peer: round.refused_by_peer,
                more: round.more,
            }));
            self.asking.tasks = Vec::new();
            self.asking.ask(&self.limits, &mut self.out);
            if round.more && self.following < MAX_FOLLOWING_ROUNDS {
                self.following += 1;
                self.again = true;
            }
        }
        if self.again || self.live.overflown {
            let next = round.number.saturating_add(1);
            self.begin(next, store)?;
        }
        Ok(())
    }
}
