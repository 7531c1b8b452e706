//! Apps that ask: other programs, and pages of other origins, that read and write what a person lets them and know of nothing else.
//!
//! An app asks ([`Request`]), a person decides ([`Pod::allow_app`](crate::Pod::allow_app)), and the app gets a token. Whatever it asks with that token is answered from a [`rhizome_replica::Mirror`] of
//! just the entities that match ([`AppView`]): queries, live queries, counts and files have nothing else to be answered from. What it writes is checked while nobody else writes.

mod activity;
mod budget;
mod caller;
mod desk;
mod record;
mod request;
mod scope;
mod view;
mod write;

pub use activity::Doing;
pub(crate) use caller::Caller;
pub use desk::{Allowed, Asked, Token};
pub(crate) use desk::{Desk, Redeem};
pub use record::AppGrant;
pub(crate) use record::Opens;
pub(crate) use request::Request;
pub use scope::Scope;
pub(crate) use view::AppView;
