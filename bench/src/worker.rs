//! One engine's process: loads the data, then answers requests from its standard input until that closes.

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::Path;

use rustc_hash::FxHashMap;

use crate::answers::{Answer, canonical};
use crate::clock;
use crate::engines::Engine;
use crate::error::{Error, Result};
use crate::params::{Param, Params};
use crate::protocol::{Reply, Request};
use crate::queries::{Query, Store};
use crate::sheet::Sheet;
use crate::tuples::Tuples;

/// Calls before the clock starts in each block of timed calls: other processes have used the caches meanwhile.
const WARM_CALLS: usize = 3;

pub fn serve(engine: Engine, data: &Path, params: &Path, directory: &Path) -> Result<()> {
    let tuples = Tuples::read(data)?;
    let text = std::fs::read(params).map_err(|source| Error::File {
        path: params.into(),
        source,
    })?;
    let params: Params = serde_json::from_slice(&text)?;
    let mut worker = Worker {
        engine,
        tuples,
        params,
        directory,
        store: None,
        next: FxHashMap::default(),
    };
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let request = serde_json::from_str(&line?)?;
        let reply = worker
            .answer(&request)
            .unwrap_or_else(|error| Reply::Failed(error.to_string()));
        serde_json::to_writer(&mut out, &reply)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

struct Worker<'a> {
    engine: Engine,
    tuples: Tuples,
    params: Params,
    directory: &'a Path,
    store: Option<Box<dyn Store>>,
    /// Where the next timed call of each query goes on in its parameters.
    next: FxHashMap<Query, usize>,
}

impl Worker<'_> {
    fn answer(&mut self, request: &Request) -> Result<Reply> {
        if let Request::Load = request {
            let (store, load) = self.engine.load(&self.tuples, self.directory)?;
            self.store = Some(store);
            return Ok(Reply::Loaded(load));
        }
        let fault = Error::engine(self.engine.name());
        let store = self
            .store
            .as_deref_mut()
            .ok_or_else(|| fault(&"asked before it was told to load"))?;
        let name = match request {
            Request::Answers { query }
            | Request::Rows { query, .. }
            | Request::Time { query, .. } => query,
            Request::Live {
                subscribers,
                commits,
            } => {
                return Ok(Reply::Live(store.live(
                    &self.tuples,
                    *subscribers,
                    *commits,
                )?));
            }
            Request::Load => return Err(fault(&"loaded already")),
        };
        let query =
            Query::named(name).ok_or_else(|| fault(&format!("no query is called {name}")))?;
        let params = self.params.get(name).map(Vec::as_slice).unwrap_or_default();
        Ok(match request {
            Request::Rows { index, .. } => {
                let param = params
                    .get(*index)
                    .ok_or_else(|| fault(&"no such parameter"))?;
                Reply::Rows(canonical(store, query, param)?)
            }
            Request::Time { budget_ms, .. } => {
                let next = self.next.entry(query).or_default();
                Reply::Times(time(store, query, params, next, budget_ms * 1e3)?)
            }
            _ => {
                let answers = params
                    .iter()
                    .map(|param| Ok(Answer::of(&canonical(store, query, param)?)));
                Reply::Answers(answers.collect::<Result<_>>()?)
            }
        })
    }
}

/// CPU microseconds of each call until they add up to the budget, and of one call at least.
fn time(
    store: &mut dyn Store,
    query: Query,
    params: &[Param],
    next: &mut usize,
    budget_us: f64,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut spent = 0.0;
    let mut sheet = Sheet::default();
    if params.is_empty() {
        return Ok(times);
    }
    for i in 0..WARM_CALLS {
        let started = clock::thread();
        take(
            store,
            query,
            &params[(*next + i) % params.len()],
            &mut sheet,
        )?;
        if clock::thread() - started > budget_us {
            break;
        }
    }
    while spent < budget_us {
        let param = &params[*next % params.len()];
        *next += 1;
        let started = clock::thread();
        take(store, query, param, &mut sheet)?;
        let took = clock::thread() - started;
        spent += took;
        times.push(took);
    }
    Ok(times)
}

/// Runs one call and takes every row into the sheet, as an application would.
fn take(store: &mut dyn Store, query: Query, param: &Param, sheet: &mut Sheet) -> Result<()> {
    sheet.clear();
    store.run(query, param, &mut |cells| sheet.push(cells))?;
    black_box(sheet);
    Ok(())
}
