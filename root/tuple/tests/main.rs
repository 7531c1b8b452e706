//! The formats against known answers of a second implementation, and their laws.

mod laws;
mod vectors;
