//! Datalog and IQL over a replica, one-shot and live.
