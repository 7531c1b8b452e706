//! Exports through their public face, and back through the importer.

mod formats;
mod markdown;
mod pod;
mod round;
