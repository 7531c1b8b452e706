#![doc = include_str!("../README.md")]

mod did;
mod document;
mod enrol;
mod error;
mod genesis;
mod kem;
mod keystore;
mod secret;
mod words;

pub use did::Did;
pub use document::document;
pub use enrol::{Enrol, MAX_NAME};
pub use error::IdentityError;
pub use genesis::{
    Create, Device, Genesis, MAX_DEVICES, MAX_POLICIES, MAX_POLICY_KEYS, MAX_SERVICE_TEXT,
    MAX_SERVICES, Policy, Role, Service,
};
pub use kem::{KemKey, KemSecret, X_WING_LEN};
pub use keystore::{EpochName, KeyStore, MAX_EPOCHS, MAX_PROCESSES, Process, Protection};
pub use secret::{Random, Secret};
pub use words::{RecoveryWords, WORDS, hide};
