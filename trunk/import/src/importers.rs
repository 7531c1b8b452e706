//! Every importer there is.

use crate::activitystreams::ActivityStreams;
use crate::bluesky::Bluesky;
use crate::day_one::DayOne;
use crate::evernote::Evernote;
use crate::feeds::Feeds;
use crate::google_keep::GoogleKeep;
use crate::gpx::Gpx;
use crate::health::Health;
use crate::icalendar::ICalendars;
use crate::importer::Importer;
use crate::instantdb::InstantDb;
use crate::kindle::Kindle;
use crate::mail::Mail;
use crate::markdown::Markdown;
use crate::mastodon::Mastodon;
use crate::medium::Medium;
use crate::meta::facebook::Facebook;
use crate::meta::instagram::Instagram;
use crate::notion::Notion;
use crate::rhizome::Rhizome;
use crate::roam::Roam;
use crate::substack::Substack;
use crate::table::{Table, published};
use crate::takeout::Takeout;
use crate::telegram::Telegram;
use crate::transcript::{Signal, WhatsApp};
use crate::tuples::Tuples;
use crate::twitter::Twitter;
use crate::vcard::VCards;
use crate::wordpress::WordPress;

/// Every importer, tables by `table`. Of two that are equally sure of a source the earlier is used.
pub fn importers(table: Table) -> Vec<Box<dyn Importer>> {
    let mut all: Vec<Box<dyn Importer>> = vec![
        Box::new(Rhizome),
        Box::new(Mastodon),
        Box::new(ActivityStreams),
        Box::new(Bluesky),
        Box::new(InstantDb),
        Box::new(VCards),
        Box::new(ICalendars),
        Box::new(Mail),
        Box::new(Takeout),
        Box::new(Kindle),
        Box::new(Health),
        Box::new(Twitter),
        Box::new(Facebook),
        Box::new(Instagram),
        Box::new(Telegram),
        Box::new(WhatsApp),
        Box::new(Signal),
        Box::new(Feeds),
        Box::new(GoogleKeep),
        Box::new(Evernote),
        Box::new(DayOne),
        Box::new(Roam),
        Box::new(Gpx),
        Box::new(WordPress),
        Box::new(Medium),
        Box::new(Substack),
        Box::new(Markdown),
        Box::new(Notion),
        Box::new(table),
        Box::new(Tuples),
    ];
    all.extend(published().map(|importer| Box::new(importer) as Box<dyn Importer>));
    all
}
