//! A session on a link: what it says is done, what happens is told to it.

use std::{collections::VecDeque, time::Duration};

use rhizome_network::{Link, NetworkError, Traffic};
use rhizome_sync::{Input, Limits, News, Output, Role, Session, Store, Synced};
use tokio::{
    sync::mpsc,
    task::block_in_place,
    time::{Instant, sleep_until},
};

use crate::{PodError, cloud::Turn};

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Both sides have the same.
    Equal,
    /// The other side hangs up.
    Closed,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exchanged {
    /// New commits here.
    pub commits: u64,
    /// New certificates here.
    pub certificates: u64,
    /// Commits and certificates that the other side confirmed to have taken of those pushed to it.
    pub delivered: u64,
    /// How the last round ended.
    pub last: Option<Synced>,
    /// Bytes on the link.
    pub traffic: Traffic,
    /// Bytes of datagrams below it, over QUIC.
    pub datagrams: Option<Traffic>,
}

/// Rounds that are begun to see whether both sides are equal.
const ROUNDS: u64 = 8;

/// Rounds that are begun because one side asks for bytes of leaves, which perhaps nobody has.
const FILLS: u64 = 2;

/// How a session works.
#[derive(Default)]
pub(crate) struct Way {
    /// What it may use.
    pub limits: Limits,
    /// Whose turn to wait for, each time it works.
    pub turn: Option<Turn>,
}

/// A session and what it is about.
struct Machine<S> {
    session: Session,
    store: S,
}

impl Way {
    /// Works. The machine is away meanwhile if it is not this task's turn to work itself.
    async fn work<S: Send + 'static, T: Send + 'static>(
        &self,
        machine: &mut Option<Box<Machine<S>>>,
        work: impl FnOnce(&mut Session, &mut S) -> T + Send + 'static,
    ) -> Result<T, PodError> {
        let mut at_work = machine.take().ok_or(NetworkError::Timeout {
            what: "a session that was given up",
            limit: Duration::ZERO,
        })?;
        let run = move || {
            let out = work(&mut at_work.session, &mut at_work.store);
            (at_work, out)
        };
        let (back, out) = match &self.turn {
            Some(turn) => turn.work(run).await?,
            None => block_in_place(run),
        };
        *machine = Some(back);
        Ok(out)
    }
}

/// Runs a session until it is over. The runtime must have several threads: the store is used from within.
pub(crate) async fn drive<S: Store + Send + 'static>(
    link: Link,
    role: Role,
    store: S,
    mut news: mpsc::UnboundedReceiver<News>,
    until: Until,
    way: &Way,
    on: &mut (dyn FnMut(&Output) + Send),
) -> Result<Exchanged, PodError> {
    let start = Instant::now();
    let now = move || start.elapsed().as_millis() as u64;
    let session = Session::new(role, link.keying(), 0, way.limits.clone());
    let mut machine = Some(Box::new(Machine { session, store }));
    let (mut sender, mut receiver) = link.split();
    let (outbox, mut waiting) = mpsc::channel::<Vec<u8>>(1);
    let writer = tokio::spawn(async move {
        while let Some(message) = waiting.recv().await {
            sender.send(message).await?;
        }
        sender.finish().await?;
        Ok::<_, NetworkError>(sender)
    });
    let mut done = Exchanged::default();
    let mut fills = 0;
    let mut deadline = None;
    let mut result = Ok(());
    let mut ready = VecDeque::new();
    'session: loop {
        let mut room = true;
        loop {
            let Ok(permit) = outbox.try_reserve() else {
                room = false;
                break;
            };
            let Some(output) = ready.pop_front() else {
                ready = way
                    .work(&mut machine, |session, store| outputs(session, store))
                    .await?;
                if ready.is_empty() {
                    break;
                }
                continue;
            };
            on(&output);
            match output {
                Output::Send(message) => permit.send(message),
                Output::Learned(learned) => {
                    done.commits += learned.commits.len() as u64;
                    done.certificates += learned.certificates.len() as u64;
                }
                Output::Delivered(_) => done.delivered += 1,
                Output::Timeout(at) => deadline = Some(start + Duration::from_millis(at)),
                Output::Synced(synced) => {
                    done.last = Some(synced);
                    let settled = synced.equal || synced.refused + synced.refused_by_peer > 0;
                    if until == Until::Equal && !synced.more {
                        fills += u64::from(settled && synced.filling);
                        let over = settled && (!synced.filling || fills > FILLS);
                        if over || synced.round >= ROUNDS {
                            break 'session;
                        }
                        way.work(&mut machine, move |session, store| {
                            session.handle(now(), Input::Recheck, store);
                        })
                        .await?;
                    }
                }
                Output::Abort(error) => {
                    result = Err(PodError::Sync(error));
                    // the reason may still be on its way
                    break 'session;
                }
                _ => (),
            }
        }
        let tick = sleep_until(deadline.unwrap_or(start + Duration::from_hours(24)));
        tokio::select! {
            permit = outbox.reserve(), if !room => if permit.is_err() { break },
            message = receiver.receive() => match message {
                Ok(Some(bytes)) => way.work(&mut machine, move |session, store| {
                    session.handle(now(), Input::Message(&bytes), store);
                }).await?,
                Ok(None) => break,
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            },
            Some(new) = news.recv() => {
                way.work(&mut machine, move |session, store| session.handle(now(), new.input(), store)).await?;
            },
            () = tick, if deadline.is_some() => {
                deadline = None;
                way.work(&mut machine, move |session, store| session.handle(now(), Input::Tick, store)).await?;
            },
        }
    }
    drop(outbox);
    match writer.await {
        Ok(Ok(sender)) => {
            if let Ok(link) = Link::join(sender, receiver) {
                done.traffic = link.traffic();
                done.datagrams = link.meter().datagrams();
                let _ = link.close().await;
            }
        }
        Ok(Err(error)) if result.is_ok() && until == Until::Equal => return Err(error.into()),
        _ => {
            done.traffic = receiver.traffic();
            done.datagrams = receiver.meter().datagrams();
        }
    }
    result.map(|()| done)
}

/// What a session says to do, up to the next message or the end of a round.
fn outputs(session: &mut Session, store: &dyn Store) -> VecDeque<Output> {
    let mut out = VecDeque::new();
    while let Some(output) = session.poll(store) {
        let last = matches!(
            output,
            Output::Send(_) | Output::Synced(_) | Output::Abort(_)
        );
        out.push_back(output);
        if last {
            break;
        }
    }
    out
}
