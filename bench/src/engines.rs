//! The engines of a run.

use std::path::Path;

use crate::error::{Error, Result};
use crate::load::Load;
use crate::queries::Store;
use crate::tuples::Tuples;

/// One side of the comparison; each runs in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    Rhizome,
    Sqlite,
    Oxigraph,
    /// JavaScript: its process is node, not this program.
    Datascript,
}

impl Engine {
    pub const ALL: [Self; 4] = [
        Self::Rhizome,
        Self::Sqlite,
        Self::Oxigraph,
        Self::Datascript,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Rhizome => "rhizome",
            Self::Sqlite => "sqlite",
            Self::Oxigraph => "oxigraph",
            Self::Datascript => "datascript",
        }
    }

    /// The engine of that name.
    ///
    /// # Errors
    /// [`Error::Unknown`], which lists the known ones.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|engine| engine.name() == name)
            .ok_or_else(|| Error::Unknown {
                what: "engine",
                name: name.to_owned(),
                known: Self::ALL.map(Self::name).join(", "),
            })
    }

    /// Loads the data into a fresh store under `directory`.
    pub fn load(self, tuples: &Tuples, directory: &Path) -> Result<(Box<dyn Store>, Load)> {
        match self {
            Self::Rhizome => crate::rhizome::load(tuples, directory),
            #[cfg(feature = "peers")]
            Self::Sqlite => crate::sqlite::load(tuples, directory),
            #[cfg(feature = "peers")]
            Self::Oxigraph => crate::oxigraph::load(tuples, directory),
            _ => {
                let _ = (tuples, directory);
                Err(Error::engine(self.name())(
                    &"not in this build (scripts/bench builds with --features peers)",
                ))
            }
        }
    }
}
