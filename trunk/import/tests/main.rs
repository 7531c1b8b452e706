//! Tests of the import frame and its importers through their public face.

mod bluesky;
mod chats;
mod everyone;
mod exports;
mod health;
mod hostile;
mod icalendar;
mod killed;
mod kindle;
mod mail;
mod mastodon;
mod meta;
mod oracle;
mod pods;
mod published;
mod real_archive;
mod reimport;
mod sources;
mod tables;
mod takeout;
mod tuples;
mod twitter;
mod vcard;
