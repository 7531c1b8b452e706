//! The API without sockets, for the fuzz targets.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use serde_json::Value as Json;
use tokio::sync::watch;

use super::{App, body::Rooms, guard::Hosts, guard::Tokens, websocket};
use crate::{Pod, backup::Backups, jobs::Jobs, live::Session, thumbnail::Thumbnails};

pub use super::range::{Wanted, parse as parse_range};
pub use super::sniff::kind;

/// The bearer token of [`api`].
pub const TOKEN: &str = "token-of-the-api";
/// The token for blobs of [`api`].
pub const BLOB_TOKEN: &str = "token-for-blobs";

/// Everything that a node answers which listens on `address`.
pub fn api(pod: &Arc<Pod>, address: SocketAddr) -> Router {
    let (_, closing) = watch::channel(false);
    super::router(App {
        public: Arc::default(),
        exports: Arc::default(),
        metrics: Arc::default(),
        rooms: Rooms::default(),
        backups: Arc::new(Backups::of(pod)),
        thumbnails: Arc::new(Thumbnails::of(pod)),
        node: None,
        link: None,
        pod: Arc::clone(pod),
        jobs: Arc::new(Jobs::new(Arc::clone(pod))),
        tokens: Tokens {
            api: TOKEN.into(),
            blob: BLOB_TOKEN.into(),
        },
        hosts: Hosts::of(address),
        closing,
    })
}

/// The name under which an upload is kept.
pub fn upload_name(name: &str) -> String {
    crate::jobs::plain_name(name)
}

/// A message over the WebSocket: what it is refused with, if it is.
pub fn hear(session: &Session, text: &str) -> Option<Json> {
    websocket::hear(session, text)
}

/// Whether a first message shows the token.
pub fn opens(text: &str) -> bool {
    websocket::is_token(text, TOKEN)
}

/// What a peer that keeps pods hears of an invitation: what it says is taken only for this device and this pod.
pub fn judge_invitation(
    peer: &rhizome_ipld::PublicKey,
    device: &rhizome_ipld::PublicKey,
    did: &rhizome_identity::Did,
    token: &[u8],
) -> bool {
    crate::grant::judge(peer, device, did, token, 1_800_000_000).is_some()
}

/// First words on a link, answers and marks: whether the bytes are any of them.
pub fn read_words(bytes: &[u8], view: rhizome_identity::Did) -> bool {
    crate::sync::hello::read_words(bytes, view)
}

/// What a device says is erased, read: how many leaves.
pub fn read_erasures(bytes: &[u8]) -> Option<usize> {
    crate::erasures::count(bytes)
}

/// A message for a pod as it is signed, read and weighed; whether it was read.
pub fn weigh_message(bytes: &[u8]) -> bool {
    crate::inbox::fuzz::message(bytes)
}

/// What is said when messages are left and collected, read.
pub fn hear_inbox(bytes: &[u8]) {
    crate::inbox::fuzz::words(bytes);
}
