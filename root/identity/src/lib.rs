#![doc = include_str!("../README.md")]

mod action;
mod device;
mod did;
mod document;
mod enrol;
mod error;
mod genesis;
mod kem;
mod keystore;
mod log;
mod operation;
mod policy;
mod proposal;
mod resolver;
mod seal;
mod secret;
mod service;
mod words;

pub use action::{
    Action, AkaSet, Deactivate, DeviceAdd, DeviceRemove, DeviceUpdate, Endorse, MAX_PREV,
    PolicySet, Recover, ServiceSet,
};
pub use device::{Device, Incarnation, MAX_DEVICES, Role};
pub use did::Did;
pub use document::{Representation, document, document_metadata};
pub use enrol::{Enrol, MAX_NAME};
pub use error::IdentityError;
pub use genesis::{Create, Genesis};
pub use kem::{KemKey, KemSecret, X_WING_LEN};
pub use keystore::{EpochName, KeyFile, KeyStore, MAX_EPOCHS, MAX_PROCESSES, Process, Protection};
pub use log::{
    Active, Inserted, Log, MAX_DECISIONS, MAX_OPERATIONS, MAX_OPERATIONS_BYTES, MAX_WAITING,
    Recovery, Resolution, Standing,
};
pub use operation::Operation;
pub use policy::{MAX_POLICIES, MAX_POLICY_KEYS, Policy, Reveal, hide};
pub use proposal::Proposal;
pub use resolver::{Answer, ResolveError, Resolved, resolve};
pub use seal::{MAX_SEAL, SealedHead};
pub use secret::{Random, Secret};
pub use service::{Endpoint, MAX_AKA, MAX_SERVICE_TEXT, MAX_SERVICES, Service};
pub use words::{RecoveryWords, WORDS};
