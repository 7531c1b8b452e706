//! An ordered key-value contract with atomic batches and snapshot reads, and its engines: memory and redb.
