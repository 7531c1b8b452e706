#![doc = include_str!("../README.md")]

mod certificate;
mod certificates;
mod classifier;
mod epoch;
mod error;
mod predicate;
pub mod wrap;

pub use certificate::{Certificate, CertificateId};
pub use certificates::{
    Added, Certificates, Commitment, Current, Key, MAX_ENROLMENTS, MAX_EPOCH_BYTES,
    MAX_EPOCHS_EACH, Owed, Writer,
};
pub use classifier::{Classifier, Touched, Values};
pub use epoch::{
    Epoch, EpochCertId, MAX_BEFORE, MAX_PAST, MAX_RECOVERY, MAX_WRAPS, Plan, commitment,
};
pub use error::ShareError;
pub use predicate::{Constant, MAX_CONDITIONS, MAX_PREDICATE, Predicate, PredicateError, Test};
