//! Tests of rhizome-ipld, one binary.

mod cids;
mod envelope;
