//! A session on a link: what it says is done, what happens is told to it.

use std::time::Duration;

use rhizome_network::{Link, NetworkError, Traffic};
use rhizome_sync::{Input, Limits, Local, Output, Role, Session, Store, Synced};
use tokio::{
    sync::mpsc,
    task::block_in_place,
    time::{Instant, sleep_until},
};

use crate::PodError;

/// What a session is told from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Something is new here.
    New(Local),
    /// What counts was decided anew: compare everything.
    Judged,
}

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
}

/// Rounds that are begun to see whether both sides are equal.
const ROUNDS: u64 = 8;

/// Runs a session until it is over. The runtime must have several threads: the store is used from within.
pub(crate) async fn drive(
    link: Link,
    role: Role,
    store: &mut (dyn Store + Send + Sync),
    mut news: mpsc::UnboundedReceiver<Told>,
    until: Until,
    on: &mut (dyn FnMut(&Output) + Send),
) -> Result<Exchanged, PodError> {
    let start = Instant::now();
    let now = || start.elapsed().as_millis() as u64;
    let mut session = Session::new(role, link.keying(), 0, Limits::default());
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
    let mut deadline = None;
    let mut result = Ok(());
    'session: loop {
        let mut room = true;
        loop {
            let Ok(permit) = outbox.try_reserve() else {
                room = false;
                break;
            };
            let Some(output) = block_in_place(|| session.poll(store)) else {
                break;
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
                        if settled || synced.round >= ROUNDS {
                            break 'session;
                        }
                        block_in_place(|| session.handle(now(), Input::Recheck, store));
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
                Ok(Some(bytes)) => block_in_place(|| session.handle(now(), Input::Message(&bytes), store)),
                Ok(None) => break,
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            },
            Some(told) = news.recv() => {
                let input = match told {
                    Told::New(local) => Input::Local(local),
                    Told::Judged => Input::Recheck,
                };
                block_in_place(|| session.handle(now(), input, store));
            },
            () = tick, if deadline.is_some() => {
                deadline = None;
                block_in_place(|| session.handle(now(), Input::Tick, store));
            },
        }
    }
    drop(outbox);
    match writer.await {
        Ok(Ok(sender)) => {
            if let Ok(link) = Link::join(sender, receiver) {
                done.traffic = link.traffic();
                let _ = link.close().await;
            }
        }
        Ok(Err(error)) if result.is_ok() && until == Until::Equal => return Err(error.into()),
        _ => done.traffic = receiver.traffic(),
    }
    result.map(|()| done)
}
