//! Tests of rhizome-ipld, one binary.

mod envelope;
