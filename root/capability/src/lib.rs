#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chain;
mod command;
pub mod container;
mod delegation;
mod envelope;
mod error;
mod executor;
mod invocation;
pub mod policy;
mod principal;
mod proofs;
mod replay;
mod revocation;
mod signer;

pub use chain::{Context, MAX_CHAIN};
pub use command::Command;
pub use container::Container;
pub use delegation::{Delegation, DelegationBuilder};
pub use envelope::{MAX_TOKEN, Unsigned, VERSION, VERSIONS};
pub use error::{CapabilityError, ErrorKind};
pub use executor::{Authorized, Executor};
pub use invocation::{Invocation, InvocationBuilder};
pub use ipld_core::ipld::Ipld;
pub use policy::{Policy, PolicyError};
pub use principal::{DidKeys, Principal, Resolver};
pub use proofs::{Proofs, Wanted};
pub use replay::Replays;
pub use revocation::{Revocation, Revocations};
pub use rhizome_ipld::{Cid, PublicKey, SigningKey};
pub use signer::{Device, Signer};

/// Latest time that a token can name, in seconds since 1970: integers of other implementations have 53 bits.
pub const MAX_TIME: u64 = (1 << 53) - 1;
