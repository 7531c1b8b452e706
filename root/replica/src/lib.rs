//! One pod on one device: the commit log, its indexes and current state.
