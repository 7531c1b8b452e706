//! Mappings that come with this crate: each is read like an importer of its own.

use serde_json::Value;

use super::{Mapping, Table, files_of};
use crate::error::ImportError;
use crate::importer::{Importer, Recognition, Sink};
use crate::source::Source;

macro_rules! mappings {
    ($($name:literal,)+) => {
        &[$(($name, include_str!(concat!("../../mappings/", $name, ".json"))),)+]
    };
}

/// Name and text of every mapping file in `mappings/`.
const MAPPINGS: &[(&str, &str)] = mappings! {
    "github",
    "goodreads",
    "letterboxd",
    "netflix",
    "reddit",
    "spotify",
    "storygraph",
    "swarm",
};

/// Files of a source that are looked into to recognise it.
const LOOKED_AT: usize = 2_000;

/// Every mapping that comes with this crate, as an importer.
pub fn published() -> impl Iterator<Item = Published> {
    // A test reads each; one that could not be read would be missing.
    MAPPINGS.iter().filter_map(|(name, json)| {
        let mapping = Mapping::parse(json.as_bytes()).ok()?;
        Some(Published { name, mapping })
    })
}

/// Reads one platform's tables by its published mapping.
#[derive(Clone, Debug)]
pub struct Published {
    name: &'static str,
    mapping: Mapping,
}

impl Published {
    fn table(&self) -> Table {
        Table::with_mapping(self.mapping.clone())
    }
}

impl Importer for Published {
    fn name(&self) -> &'static str {
        self.name
    }

    /// By files that have the columns the mapping asks for. The more of the source they are, the surer; surer than a guess
    /// in any case.
    fn recognise(&self, source: &Source) -> Result<Option<Recognition>, ImportError> {
        let (mut surely, mut read, mut named) = (0_usize, 0_usize, Vec::new());
        for entry in source.entries().iter().take(LOOKED_AT) {
            let files = files_of(&self.mapping, source, entry)?;
            read += usize::from(!files.is_empty());
            if files.iter().any(|file| !file.recognise.is_empty()) {
                surely += 1;
                if named.len() < 3 {
                    named.push(entry.path.as_str());
                }
            }
        }
        if surely == 0 {
            return Ok(None);
        }
        let all = source.entries().len().clamp(1, LOOKED_AT);
        Ok(Some(Recognition {
            importer: self.name,
            confidence: 0.75 + 0.2 * read as f32 / all as f32,
            why: format!(
                "{} {} the columns of {}",
                named.join(", "),
                if surely == 1 { "has" } else { "have" },
                self.mapping.title
            ),
            source: self.mapping.source.clone(),
            account: None,
        }))
    }

    fn read(
        &self,
        source: &Source,
        recognition: &Recognition,
        sink: &mut dyn Sink,
    ) -> Result<(), ImportError> {
        self.table().read(source, recognition, sink)
    }

    fn explain(&self, source: &Source) -> Result<Option<Value>, ImportError> {
        self.table().explain(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_mapping_is_usable_and_says_what_it_is_for() {
        for (name, json) in MAPPINGS {
            let mapping = Mapping::parse(json.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!mapping.title.is_empty(), "{name}");
            assert_eq!(mapping.source, *name);
            assert!(
                mapping.files.iter().any(|file| !file.recognise.is_empty()),
                "{name} cannot be recognised"
            );
        }
        assert_eq!(published().count(), MAPPINGS.len());
    }

    #[test]
    fn every_mapping_file_in_the_folder_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings");
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let name = name.strip_suffix(".json").unwrap().to_owned();
            assert!(MAPPINGS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}
