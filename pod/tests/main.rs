//! The pod from outside: its home, transactions, the API and live subscriptions.

mod apps;
mod cloud;
mod comments;
mod devices;
mod drafts;
mod feeds;
mod garbage;
mod groups;
mod home;
mod http;
mod import;
mod inbox;
mod live;
mod moving;
mod node;
mod notes;
mod past;
mod public;
mod search;
mod sharing;
mod transact;
mod views;
