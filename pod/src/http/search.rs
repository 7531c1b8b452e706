//! Searches.

use std::{sync::Arc, time::Instant};

use axum::{Json as JsonBody, extract::State};
use serde_json::json;

use super::{
    App,
    api::{StopOnDrop, read},
    blocking,
    reply::{Answer, Payload},
};
use crate::{Search, Stop};

/// Bytes of a search.
pub(super) const MAX_SEARCH: usize = 1 << 16;

/// One search, once.
pub(super) async fn search(State(app): State<App>, Payload(body): Payload) -> Answer {
    let search: Search = read(&body)?;
    let stop = Arc::new(Stop::new(false));
    let guard = StopOnDrop(Arc::clone(&stop));
    let answer = blocking(move || {
        let started = Instant::now();
        let mut answer = app.pod.search(&search, &stop)?;
        if let Some(members) = answer.as_object_mut() {
            let took = started.elapsed().as_micros() as u64;
            members.insert("took_us".into(), json!(took));
        }
        Ok(answer)
    })
    .await;
    drop(guard);
    answer.map(JsonBody)
}
