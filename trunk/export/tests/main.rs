//! Exports through their public face, and back through the importer.

mod formats;
mod pod;
mod round;
