//! Tests of the import frame and its importers.
