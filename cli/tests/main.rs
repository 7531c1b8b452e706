//! The command from outside, as a script uses it.

mod apps;
mod backup;
#[cfg(target_os = "linux")]
mod cloud;
mod compare;
mod contract;
mod direct;
mod drafts;
mod export;
mod friends;
mod mistakes;
mod running;
mod sharing;
mod shell;
mod sync_sql;
mod three;
