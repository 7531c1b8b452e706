//! Every importer there is.

use crate::bluesky::Bluesky;
use crate::health::Health;
use crate::icalendar::ICalendars;
use crate::importer::Importer;
use crate::kindle::Kindle;
use crate::mail::Mail;
use crate::mastodon::Mastodon;
use crate::meta::facebook::Facebook;
use crate::meta::instagram::Instagram;
use crate::rhizome::Rhizome;
use crate::table::{Table, published};
use crate::takeout::Takeout;
use crate::telegram::Telegram;
use crate::transcript::{Signal, WhatsApp};
use crate::tuples::Tuples;
use crate::twitter::Twitter;
use crate::vcard::VCards;

/// Every importer, tables by `table`. Of two that are equally sure of a source the earlier is used.
pub fn importers(table: Table) -> Vec<Box<dyn Importer>> {
    let mut all: Vec<Box<dyn Importer>> = vec![
        Box::new(Rhizome),
        Box::new(Mastodon),
        Box::new(Bluesky),
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
        Box::new(table),
        Box::new(Tuples),
    ];
    all.extend(published().map(|importer| Box::new(importer) as Box<dyn Importer>));
    all
}
