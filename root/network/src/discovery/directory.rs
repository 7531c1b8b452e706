//! Where signed records of devices are kept for those who look for them: the server's side of pkarr over HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use iroh::EndpointId;
use iroh_dns::pkarr::SignedPacket;
use parking_lot::Mutex;
use rhizome_ipld::PublicKey;

use crate::quic;

/// Records of where devices are, in memory: they are sent again every five minutes, so nothing is lost that matters when the process
/// ends. A record is taken from admitted devices only, if its signature is valid and it is newer than the one before; it has at most
/// 1,104 bytes. Whoever knows the key of a device can read its record. Clones are the same directory.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    admit: Box<dyn Fn(&PublicKey) -> bool + Send + Sync>,
    records: Mutex<HashMap<EndpointId, SignedPacket>>,
    room: usize,
}

impl Directory {
    /// A directory with room for the records of so many devices, of those that `admit` admits.
    pub fn new(room: usize, admit: impl Fn(&PublicKey) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            admit: Box::new(admit),
            records: Mutex::default(),
            room,
        }))
    }

    /// The routes `PUT` and `GET` of `/{key}`, to be nested under the path that the URLs of [`super::Discovery::Pkarr`] name.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/{key}", get(read).put(write))
            .layer(DefaultBodyLimit::max(SignedPacket::MAX_BYTES))
            .with_state(self)
    }

    /// Forgets a device, for example because it was removed. Returns whether it was known.
    pub fn remove(&self, key: &PublicKey) -> bool {
        let PublicKey::Ed25519(bytes) = key else {
            return false;
        };
        EndpointId::from_bytes(bytes).is_ok_and(|id| self.0.records.lock().remove(&id).is_some())
    }

    /// Number of devices that are known.
    pub fn len(&self) -> usize {
        self.0.records.lock().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a record: signature, time and packet.
    fn put(&self, id: EndpointId, payload: &[u8]) -> StatusCode {
        if !(self.0.admit)(&quic::public(id)) {
            return StatusCode::FORBIDDEN;
        }
        let Ok(record) = SignedPacket::from_relay_payload(&id, payload) else {
            return StatusCode::BAD_REQUEST;
        };
        let mut records = self.0.records.lock();
        match records.get(&id) {
            Some(known) if known.as_bytes() == record.as_bytes() => return StatusCode::NO_CONTENT,
            Some(known) if !record.more_recent_than(known) => return StatusCode::CONFLICT,
            None if records.len() >= self.0.room => return StatusCode::INSUFFICIENT_STORAGE,
            _ => {}
        }
        records.insert(id, record);
        StatusCode::NO_CONTENT
    }
}

/// A key as pkarr writes it: 52 characters of z-base-32.
fn parse(key: &str) -> Option<EndpointId> {
    (key.len() == 52)
        .then(|| EndpointId::from_z32(key).ok())
        .flatten()
}

async fn write(
    State(directory): State<Directory>,
    Path(key): Path<String>,
    body: Bytes,
) -> StatusCode {
    match parse(&key) {
        Some(id) => directory.put(id, &body),
        None => StatusCode::BAD_REQUEST,
    }
}

async fn read(State(directory): State<Directory>, Path(key): Path<String>) -> Response {
    let Some(id) = parse(&key) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let record = directory
        .0
        .records
        .lock()
        .get(&id)
        .map(SignedPacket::to_relay_payload);
    match record {
        Some(payload) => {
            let kind = [(header::CONTENT_TYPE, "application/pkarr.org/relays#payload")];
            (kind, payload).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
