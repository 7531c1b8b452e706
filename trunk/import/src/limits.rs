//! Every bound of the import frame, by name.

/// What a source may hold before it is refused. The defaults let real exports through with room to spare;
/// [`Limits::default`] is what the command line uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files in one source.
    pub entries: usize,
    /// Bytes of a source once unpacked.
    pub total_bytes: u64,
    /// Bytes of one file once unpacked.
    pub file_bytes: u64,
    /// Unpacked bytes for each packed byte, above [`Limits::ratio_floor`]. Deflate itself cannot exceed 1,032.
    pub ratio: u64,
    /// Unpacked bytes that are never called a bomb, whatever their ratio.
    pub ratio_floor: u64,
    /// Bytes of one record (an activity, a row, a line) in a streamed document.
    pub record_bytes: usize,
    /// Bytes of a small document that is read whole (a profile, a mapping file).
    pub document_bytes: usize,
    /// Bytes of a spool, the part of a grouped file held in memory at once.
    pub spool_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 1_000_000,
            total_bytes: 1 << 40,
            file_bytes: 1 << 38,
            ratio: 250,
            ratio_floor: 64 << 20,
            record_bytes: 16 << 20,
            document_bytes: 16 << 20,
            spool_bytes: 256 << 20,
        }
    }
}

/// Bytes of a zip's central directory: about 1.4 million entries of the smallest size.
pub const DIRECTORY_BYTES: u64 = 64 << 20;
/// Bytes of a path inside a source.
pub const PATH_BYTES: usize = 4_096;
/// Folders above a file inside a source.
pub const PATH_DEPTH: usize = 64;
/// Bytes of one text value; longer ones are reported and left out.
pub const TEXT_BYTES: usize = 1 << 20;
/// Bytes of one mail or note with all that is attached to it.
pub const MESSAGE_BYTES: usize = 64 << 20;
/// Bytes of a record's native id.
pub const KEY_BYTES: usize = 4_096;
/// Facts of one record.
pub const RECORD_FACTS: usize = 1 << 20;
/// Lines of each list in a report; the totals beside them are exact.
pub const REPORT_LINES: usize = 1_000;
/// Kinds counted by name in a report; further ones are counted as `other`.
pub const REPORT_KINDS: usize = 256;
