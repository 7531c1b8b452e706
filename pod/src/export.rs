//! Everything in the pod as files.

use std::io::Write;

use rhizome_export::{Export, ExportError, Exported, Format, Progress};
use rhizome_view::is_reserved;

use crate::{Pod, PodError};

impl Pod {
    /// Writes everything but what the pod says of itself: its devices, its grants. What came with an import is in it, so that it can go on in the pod
    /// that the export is imported into.
    ///
    /// # Errors
    /// [`PodError::Export`]; what was written until then is no export.
    pub fn export(
        &self,
        format: Format,
        out: &mut dyn Write,
        watch: &mut dyn FnMut(Progress) -> Result<(), ExportError>,
    ) -> Result<Exported, PodError> {
        let now = self.replica().snapshot();
        let export = Export {
            now: &now,
            blobs: self.blobs(),
            pod: self.did(),
            own: &is_reserved,
        };
        Ok(export.write(format, out, watch)?)
    }
}
