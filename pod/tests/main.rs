//! The pod from outside: its home, transactions, the API and live subscriptions.

mod http;
mod home;
mod live;
mod node;
mod transact;
