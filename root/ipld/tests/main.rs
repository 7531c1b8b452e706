//! Tests of rhizome-ipld, one binary.

mod envelope;
mod cids;
