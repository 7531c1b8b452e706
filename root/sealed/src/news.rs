//! Telling the other sessions of a pod what is new.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use rhizome_sync::News;

type Listener = Arc<dyn Fn(News) + Send + Sync>;

/// A listener, its number, and the session whose own news it does not hear.
type Entry = (u64, Option<u64>, Listener);

/// Who is told.
#[derive(Default)]
pub(crate) struct Listeners {
    next: AtomicU64,
    all: Mutex<Vec<Entry>>,
    waiting: Mutex<VecDeque<(Option<u64>, News)>>,
    telling: Mutex<()>,
}

impl Listeners {
    /// Adds one that hears everything but what comes from the session `own`.
    pub fn add(&self, own: Option<u64>, listener: Listener) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.all.lock().push((number, own, listener));
        number
    }

    pub fn remove(&self, number: u64) {
        self.all.lock().retain(|(n, ..)| *n != number);
    }

    pub fn len(&self) -> usize {
        self.all.lock().len()
    }

    /// Notes news in the order in which they came to be. To be called while nobody else can make any.
    pub fn note(&self, from: Option<u64>, news: impl IntoIterator<Item = News>) {
        let mut waiting = self.waiting.lock();
        waiting.extend(news.into_iter().map(|n| (from, n)));
    }

    /// Tells what was noted, in that order. To be called without locks; whoever comes while somebody tells leaves it to them.
    pub fn tell(&self) {
        while !self.waiting.lock().is_empty() {
            let Some(turn) = self.telling.try_lock() else {
                return;
            };
            while let Some((from, news)) = { self.waiting.lock().pop_front() } {
                let listeners: Vec<Listener> = {
                    let all = self.all.lock();
                    let others = all
                        .iter()
                        .filter(|(_, own, _)| own.is_none() || *own != from);
                    others.map(|(.., listener)| Arc::clone(listener)).collect()
                };
                for listener in listeners {
                    listener(news);
                }
            }
            drop(turn);
        }
    }
}
