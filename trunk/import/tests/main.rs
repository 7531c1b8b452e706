//! Tests of the import frame and its importers through their public face.

mod bluesky;
mod hostile;
mod icalendar;
mod killed;
mod mail;
mod mastodon;
mod oracle;
mod pods;
mod published;
mod real_archive;
mod reimport;
mod sources;
mod tables;
mod takeout;
mod tuples;
mod vcard;
