//! Importers of single files: how many files of a source are of their kind.

use crate::error::ImportError;
use crate::importer::Recognition;
use crate::source::Source;

/// Bytes of a file's beginning that are looked at.
const HEAD: usize = 2_048;
/// Files looked into before a source is recognised or not.
const LOOKED: usize = 32;

/// Files of one kind: by the ends of their names, and by what they begin with.
pub struct Kind {
    /// Ends of names, lower case, with the full stop.
    pub ends: &'static [&'static str],
    /// Whether a file that begins like this is one.
    pub looks: fn(&[u8]) -> bool,
    /// Whether a file that is given alone may have any name: not where it may begin with anything.
    pub alone: bool,
    /// Ends of names of files that lie beside such ones and say nothing against them.
    pub beside: &'static [&'static str],
}

fn ends(path: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| {
        path.len() >= end.len()
            && path
                .get(path.len() - end.len()..)
                .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    })
}

impl Kind {
    /// Whether its name ends as names of its files do.
    pub fn is_called(&self, path: &str) -> bool {
        ends(path, self.ends)
    }

    /// Whether its name says nothing against it.
    fn may_be(&self, source: &Source, path: &str) -> bool {
        self.is_called(path) || (self.alone && source.entries().len() == 1)
    }

    /// Whether the file is of this kind.
    fn is(&self, source: &Source, path: &str) -> Result<bool, ImportError> {
        if !self.may_be(source, path) {
            return Ok(false);
        }
        Ok((self.looks)(&source.head(path, HEAD)?))
    }

    /// Its files in the source, in order.
    pub fn files(&self, source: &Source) -> Result<Vec<String>, ImportError> {
        source.files_that(|entry| self.is(source, &entry.path))
    }

    /// How sure it is that the source is made of these files: 0.95 where all of it is, and below 0.5, so that it must be
    /// asked for by name, where less than a third is.
    pub fn recognise(
        &self,
        importer: &'static str,
        what: &str,
        source: &Source,
    ) -> Result<Option<Recognition>, ImportError> {
        let (mut named, mut others) = (0_usize, 0_usize);
        let (mut looked, mut right) = (0_usize, 0_usize);
        for entry in source.entries() {
            if self.may_be(source, &entry.path) {
                named += 1;
                if looked < LOOKED {
                    looked += 1;
                    right += usize::from(self.is(source, &entry.path)?);
                }
            } else if !ends(&entry.path, self.beside) {
                others += 1;
            }
        }
        if right == 0 {
            return Ok(None);
        }
        let share = right as f32 / looked as f32 * named as f32 / (named + others) as f32;
        Ok(Some(Recognition::of(
            importer,
            0.3 + 0.65 * share,
            format!("{what} in {named} of {} files", source.entries().len()),
        )))
    }
}
