//! Large files by BLAKE3 hash: streamed in, verified, read by range.
