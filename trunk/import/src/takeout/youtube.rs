//! Channels and playlists of `YouTube`, as CSV.

use std::io::{BufRead, BufReader, Read};

use rhizome_tuple::Value as Tuple;

use super::activity::ActivityNames;
use super::kind::video;
use super::split;
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::Sink;
use crate::problem::{Problem, ProblemCode};
use crate::source::{Entry, Metered, Source};
use crate::text::Lossy;
use crate::time::parse_time;

/// Id, address and name of channels.
pub fn subscriptions(
    source: &Source,
    entry: &Entry,
    sink: &mut dyn Sink,
) -> Result<(), ImportError> {
    let names = ActivityNames::new();
    let (lossy, _) = Lossy::new(source.read(&entry.path)?);
    let (metered, allowance) = Metered::new(lossy, source.limits().record_bytes as u64);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(metered);
    let mut cells = csv::StringRecord::new();
    loop {
        allowance.renew();
        match reader.read_record(&mut cells) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => {
                let message = format!("the rest of the file cannot be read: {error}");
                sink.incomplete(Problem::of_file(
                    ProblemCode::Malformed,
                    &entry.path,
                    message,
                ));
                return Ok(());
            }
        }
        let cell = |n| cells.get(n).map(str::trim).filter(|cell| !cell.is_empty());
        let Some((id, url)) = cell(0).zip(cell(1)) else {
            let message = "a channel without id and address; it was left out";
            sink.skip(
                "subscribed",
                Problem::of_file(ProblemCode::Malformed, &entry.path, message),
            );
            continue;
        };
        let mut facts = Facts::default();
        facts.one(&names.r#type, "subscribed");
        facts.one(&names.product, "YouTube");
        facts.one(&names.title, cell(2).unwrap_or(id));
        facts.one(&names.url, url);
        let key = format!("subscribed/{id}");
        sink.record(facts.record("subscribed", key, None, Some(Audience::Direct)))?;
    }
}

/// Ids of a playlist's videos, and when each was added. Its name is the file's.
pub fn playlist(source: &Source, entry: &Entry, sink: &mut dyn Sink) -> Result<(), ImportError> {
    let names = ActivityNames::new();
    let name = split(&entry.path).1;
    let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
    let name = name.strip_suffix("-videos").unwrap_or(name);
    let name = name.strip_suffix("-Videos").unwrap_or(name);
    let (lossy, _) = Lossy::new(source.read(&entry.path)?);
    let mut lines = BufReader::new(lossy);
    let mut line = Vec::new();
    loop {
        line.clear();
        // What is longer than a line of a playlist is read in pieces of which none is one.
        let read = lines.by_ref().take(1 << 16).read_until(b'\n', &mut line);
        if read.map_err(|error| ImportError::read(&entry.path, error))? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let Some((id, when)) = video(&text) else {
            continue;
        };
        let created = parse_time(when).or_else(|| {
            let utc = when.strip_suffix(" UTC")?.replace(' ', "T");
            parse_time(&format!("{utc}Z"))
        });
        let url = format!("https://www.youtube.com/watch?v={id}");
        let mut facts = Facts::default();
        facts.one(&names.r#type, "listed");
        facts.one(&names.product, "YouTube");
        facts.one(&names.r#in, name);
        facts.one(&names.url, url.as_str());
        facts.maybe(&names.created, created.map(Tuple::Time));
        let key = format!("listed/{name}/{id}");
        sink.record(facts.record("listed", key, created, Some(Audience::Direct)))?;
    }
}
