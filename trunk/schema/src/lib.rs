//! Public schemas: what attributes mean, how they merge.
