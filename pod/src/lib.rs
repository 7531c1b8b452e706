//! A running node: the pod's home directory, one writer, live queries, and the API that serves the console.
//!
//! ```
//! use rhizome_pod::{App, Opening, PodHome, json::parse_changes};
//! use serde_json::json;
//!
//! # let dir = tempfile::tempdir()?;
//! let pod = PodHome::at(dir.path().join("pod")).init(&Opening::by("example"))?;
//! let changes = parse_changes(&json!([
//!     { "assert": { "entity": "_:photo", "attribute": "photo/album", "value": "garibaldi" } },
//! ]))?;
//! let receipt = pod.transact(App::CommandLine, &changes)?;        // durable when it returns
//! assert_eq!(receipt.entities[0].0, "_:photo");
//! assert_eq!(pod.figures().tuples, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything here is synchronous but [`Serving`], which answers HTTP and WebSocket on loopback; `docs/api.md` is its specification.

mod apps;
mod backup;
mod client;
mod cloud;
mod devices;
mod directory;
mod doctor;
mod drafts;
mod emoji;
mod entity;
mod erasures;
mod error;
mod export;
mod feeds;
mod files;
mod follow;
mod garbage;
mod grant;
mod home;
mod http;
mod import;
mod inbox;
mod invitation;
mod jobs;
pub mod json;
pub mod live;
mod lock;
pub mod network;
mod node;
mod pairing;
mod past;
mod pod;
mod query;
mod reach;
mod recovery;
mod room;
mod running;
mod search;
mod shape;
mod sharing;
mod storage;
mod sync;
mod thumbnail;
mod touch;
mod transact;
mod undo;
mod views;

#[cfg(fuzzing)]
pub use http::fuzzing;

pub use apps::{Allowed, AppGrant, Asked, Scope as AppScope, Token as AppToken};
pub use backup::{Backup, backup, restore};
pub use client::Client;
pub use cloud::{
    CloudDesk, CloudOptions, CloudPeer, DEFAULT_QUOTA, Invitation, Invite, Kept, KeptView,
};
pub use devices::{DeviceDetail, host_name};
pub use directory::Peer;
pub use doctor::{Diagnosis, DoctorProgress};
pub use drafts::{Diff, DiffEntity, DiffPlace, Draft, Drafted, UndoneDraft};
pub use emoji::{COMPARED, Emoji};
pub use entity::EntityDetail;
pub use error::PodError;
pub use feeds::{Post, Timeline};
pub use files::Carried;
pub use follow::{LiveNews, LiveQuery};
pub use garbage::{Collected, GARBAGE_DAYS};
pub use grant::{Grant, Part as GrantPart, parse_device};
pub use home::{Opening, PodHome};
pub use http::{Serving, serve};
pub use import::{ImportFailed, ImportOptions};
pub use inbox::{
    InboxError, Left, MAX_CONTENT as MAX_MESSAGE_CONTENT, MAX_MESSAGE, Message, MessageId,
    Received, SealedMessage,
};
pub use invitation::{Comparison, Joined, PAIRING_ATTEMPTS, PAIRING_TIME, PairingState, Waiting};
pub use lock::Holder;
pub use node::{PeerReport, PeerState, PodNode};
pub use pairing::{MAX_DEVICE_NAME, PairingCode, parse_peer};
pub use past::{MOST_AS_OF, parse_time};
pub use pod::{App, BlobFigures, Figures, Pod, Stop};
pub use recovery::{FriendRequest, MAX_RECOVERY_FILE};
pub use rhizome_export::{
    ExportError, Exported, Format as ExportFormat, Progress as ExportProgress,
};
pub use rhizome_identity::{Did, Role as DeviceRole};
pub use rhizome_network::{Mode, websocket::WebSocketConfig};
pub use rhizome_view::Power;
pub use room::SPARED;
pub use running::Running;
pub use search::Search;
pub use sharing::{
    ANYONE, Accepted, Followed, Given, Group, GroupMember, GroupRole, MyProposal, Proposal,
    ShareInvite, Terms as GrantTerms, Undone, Whose,
};
pub use transact::Receipt;
pub use undo::{UndoneCommit, parse_commit};
pub use views::{Seed, View, Views};
