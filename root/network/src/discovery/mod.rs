//! Ways to find a peer whose address has no places, or wrong ones.

mod book;

pub use book::AddressBook;

use iroh::Endpoint;
use iroh::endpoint::Builder;

use crate::error::NetworkError;

/// A way to look for peers, and to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discovery {}

impl Discovery {
    pub(crate) fn add_to(&self, _builder: Builder) -> Result<Builder, NetworkError> {
        match *self {}
    }
    pub(crate) fn start(&self, _endpoint: &Endpoint) -> Result<(), NetworkError> {
        match *self {}
    }
}
