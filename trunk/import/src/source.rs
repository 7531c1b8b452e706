//! An export as a set of named files, whatever it is packed in.

mod bounded;
mod directory;
mod gzip;
mod parts;
mod path;
mod tar;
mod view;
mod zip;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use bounded::{Allowance, Metered, read_whole};
pub(crate) use path::{is_litter, safe_path};
pub(crate) use view::FileView;

use crate::error::ImportError;
use crate::limits::Limits;
use crate::problem::{Problem, ProblemCode};

/// One file of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative, `/` between parts, never climbing.
    pub path: String,
    /// Bytes once unpacked, as the file system or the archive declares them; reading checks it.
    pub size: u64,
}

impl Entry {
    /// Whether its name ends so, with a full stop before it and in any case.
    pub(crate) fn ends(&self, extension: &str) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.rsplit_once('.')
            .is_some_and(|(stem, end)| !stem.is_empty() && end.eq_ignore_ascii_case(extension))
    }
}

/// A folder, a zip, a tar, a gzipped tar or a single file (gzipped or not), listed once when opened. A folder or archive that
/// holds only archives is what is in them, as if all were unpacked into one folder: exports come in parts. Nothing is
/// unpacked to named files: members are read where they lie, and a gzip, or an archive packed in another, is unpacked to
/// an unnamed temporary file.
pub struct Source {
    name: String,
    path: PathBuf,
    packing: Packing,
    entries: Vec<Entry>,
    places: Vec<Place>,
    index: HashMap<String, usize>,
    problems: Vec<Problem>,
    limits: Limits,
    scratch: PathBuf,
    litter: usize,
}

/// How a source is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packing {
    /// A folder on disk.
    Directory,
    /// A zip archive.
    Zip,
    /// A tar archive, gzipped or not.
    Tar,
    /// One file, gzipped or not.
    File,
}

/// Where a file's bytes are.
enum Place {
    OnDisk(PathBuf),
    Stored(FileView),
    InMemory(Arc<[u8]>),
    Zipped(zip::Member),
}

/// What a packing's reader found, before it is a source.
struct Listing {
    packing: Packing,
    files: Vec<(Entry, Place)>,
    problems: Vec<Problem>,
    litter: usize,
}

impl Listing {
    fn new(packing: Packing) -> Self {
        Self {
            packing,
            files: Vec::new(),
            problems: Vec::new(),
            litter: 0,
        }
    }

    /// Takes one member under its safe name, or reports why not.
    fn take(&mut self, raw: &str, size: u64, place: Place) {
        match safe_path(raw) {
            Some(path) if is_litter(&path) => self.litter += 1,
            Some(path) => self.files.push((Entry { path, size }, place)),
            None => self.refuse(
                ProblemCode::UnsafePath,
                raw,
                "this path leaves the export or is not a path; the file was left out",
            ),
        }
    }

    fn refuse(&mut self, code: ProblemCode, raw: &str, message: &str) {
        self.problems
            .push(Problem::of_file(code, shown(raw), message));
    }
}

/// A hostile name, made fit to print.
fn shown(raw: &str) -> String {
    raw.chars().take(200).flat_map(char::escape_debug).collect()
}

impl Source {
    /// Lists what is at `path`. A gzip is unpacked into the system's temporary folder.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, ImportError> {
        Self::open_with_scratch(path, limits, &std::env::temp_dir())
    }

    /// Lists what is at `path`; a gzip is unpacked to an unnamed file in `scratch`.
    pub fn open_with_scratch(
        path: &Path,
        limits: &Limits,
        scratch: &Path,
    ) -> Result<Self, ImportError> {
        let name = path.file_name().map_or_else(
            || path.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ImportError::Missing(path.to_owned()));
            }
            Err(error) => return Err(ImportError::read(&name, error)),
        };
        let listing = if metadata.is_dir() {
            let listing = directory::list(path, limits)?;
            parts::unpack(listing, parts::Around::Folder, limits, scratch)?
        } else {
            let file = File::open(path)
                .and_then(FileView::whole)
                .map_err(|error| ImportError::read(&name, error))?;
            let around = parts::Around::Archive(file.len());
            let (file, inner) = gzip::unpack(file, &name, limits, scratch)?;
            let listing = Self::list_file(file, &inner, limits)?;
            if listing.packing == Packing::File {
                listing
            } else {
                parts::unpack(listing, around, limits, scratch)?
            }
        };
        Self::assemble(name, path.to_owned(), listing, limits, scratch)
    }

    /// Files that are in memory already, as a folder called `name`: names are made safe and counted against the limits as
    /// those of an archive are.
    pub fn from_memory(
        name: &str,
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
        limits: &Limits,
    ) -> Result<Self, ImportError> {
        let mut listing = Listing::new(Packing::Directory);
        for (n, (path, bytes)) in files.into_iter().enumerate() {
            if n >= limits.entries {
                return Err(ImportError::TooManyEntries {
                    what: name.to_owned(),
                    limit: limits.entries,
                });
            }
            listing.take(&path, bytes.len() as u64, Place::InMemory(bytes.into()));
        }
        Self::assemble(
            name.to_owned(),
            PathBuf::new(),
            listing,
            limits,
            &std::env::temp_dir(),
        )
    }

    fn list_file(file: FileView, name: &str, limits: &Limits) -> Result<Listing, ImportError> {
        let mut head = [0_u8; 512];
        let n = read_up_to(&mut file.clone(), &mut head)
            .map_err(|error| ImportError::read(name, error))?;
        let head = head.get(..n).unwrap_or_default();
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return zip::list(&file, name, limits);
        }
        if head.get(257..262) == Some(b"ustar") {
            return tar::list(&file, name, limits);
        }
        let mut listing = Listing::new(Packing::File);
        let plain = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let plain = safe_path(plain).unwrap_or_else(|| "file".to_owned());
        listing.files.push((
            Entry {
                path: plain,
                size: file.len(),
            },
            Place::Stored(file),
        ));
        Ok(listing)
    }

    fn assemble(
        name: String,
        path: PathBuf,
        mut listing: Listing,
        limits: &Limits,
        scratch: &Path,
    ) -> Result<Self, ImportError> {
        listing.files.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let mut source = Self {
            name,
            path,
            packing: listing.packing,
            entries: Vec::with_capacity(listing.files.len()),
            places: Vec::with_capacity(listing.files.len()),
            index: HashMap::with_capacity(listing.files.len()),
            problems: listing.problems,
            limits: *limits,
            scratch: scratch.to_owned(),
            litter: listing.litter,
        };
        let mut total = 0_u64;
        for (entry, place) in listing.files {
            if entry.size > limits.file_bytes {
                return Err(ImportError::TooLarge {
                    what: entry.path,
                    limit: limits.file_bytes,
                });
            }
            total = total.saturating_add(entry.size);
            if total > limits.total_bytes {
                return Err(ImportError::TooLarge {
                    what: source.name,
                    limit: limits.total_bytes,
                });
            }
            if source.index.contains_key(&entry.path) {
                let message = "a second file of this name was left out";
                source.problems.push(Problem::of_file(
                    ProblemCode::DuplicateFile,
                    entry.path,
                    message,
                ));
                continue;
            }
            source
                .index
                .insert(entry.path.clone(), source.entries.len());
            source.entries.push(entry);
            source.places.push(place);
        }
        Ok(source)
    }

    /// The file or folder name the person gave.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is packed.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Its files, sorted by path, without operating-system litter.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What was refused while listing.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Files that operating systems leave behind, passed over.
    pub fn litter(&self) -> usize {
        self.litter
    }

    /// The bounds it was opened with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where temporary files may lie.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The file at `path`.
    pub fn find(&self, path: &str) -> Option<&Entry> {
        self.entries.get(*self.index.get(path)?)
    }

    /// The highest file of that name: an export inside one wrapping folder is found too.
    pub fn find_named(&self, file_name: &str) -> Option<&Entry> {
        let named = |entry: &&Entry| entry.path.rsplit('/').next() == Some(file_name);
        self.entries
            .iter()
            .filter(named)
            .min_by_key(|entry| entry.path.matches('/').count())
    }

    /// Paths of the files for which `is` holds, in order.
    pub(crate) fn files_that(
        &self,
        mut is: impl FnMut(&Entry) -> Result<bool, ImportError>,
    ) -> Result<Vec<String>, ImportError> {
        let mut found = Vec::new();
        for entry in &self.entries {
            if is(entry)? {
                found.push(entry.path.clone());
            }
        }
        Ok(found)
    }

    /// A reader of the file at `path`, independent of every other. It gives the declared length or an error.
    pub fn read(&self, path: &str) -> Result<Box<dyn Read>, ImportError> {
        let missing = || ImportError::read(path, std::io::ErrorKind::NotFound.into());
        let at = *self.index.get(path).ok_or_else(missing)?;
        let (entry, place) = self
            .entries
            .get(at)
            .zip(self.places.get(at))
            .ok_or_else(missing)?;
        match place {
            Place::OnDisk(on_disk) => directory::open(on_disk, entry),
            Place::Stored(view) => Ok(Box::new(view.clone())),
            Place::InMemory(bytes) => Ok(Box::new(std::io::Cursor::new(Arc::clone(bytes)))),
            Place::Zipped(member) => member.open(entry),
        }
    }

    /// The first bytes of a file, at most `len`.
    pub fn head(&self, path: &str, len: usize) -> Result<Vec<u8>, ImportError> {
        let mut head = vec![0; len];
        let n = read_up_to(&mut self.read(path)?, &mut head)
            .map_err(|error| ImportError::read(path, error))?;
        head.truncate(n);
        Ok(head)
    }

    /// A small document whole; longer than [`Limits::document_bytes`] is an error.
    pub fn read_document(&self, path: &str) -> Result<Vec<u8>, ImportError> {
        let limit = self.limits.document_bytes;
        read_whole(self.read(path)?, limit)
            .map_err(|error| ImportError::read(path, error))?
            .ok_or_else(|| ImportError::TooLarge {
                what: path.to_owned(),
                limit: limit as u64,
            })
    }

    /// BLAKE3 of the source: of its bytes for a file or archive; for a folder, of the paths, lengths and hashes of its
    /// files in order. `seen` is told of every piece and may stop it.
    pub fn digest(
        &self,
        seen: &mut dyn FnMut(u64) -> Result<(), ImportError>,
    ) -> Result<blake3::Hash, ImportError> {
        if self.packing != Packing::Directory {
            let file =
                File::open(&self.path).map_err(|error| ImportError::read(&self.name, error))?;
            return hash(file, &self.name, seen);
        }
        let mut all = blake3::Hasher::new_derive_key("rhizome import folder v1");
        for entry in &self.entries {
            let one = hash(self.read(&entry.path)?, &entry.path, seen)?;
            all.update(&(entry.path.len() as u64).to_le_bytes())
                .update(entry.path.as_bytes());
            all.update(&entry.size.to_le_bytes()).update(one.as_bytes());
        }
        Ok(all.finalize())
    }
}

fn hash(
    mut reader: impl Read,
    what: &str,
    seen: &mut dyn FnMut(u64) -> Result<(), ImportError>,
) -> Result<blake3::Hash, ImportError> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        let n = reader
            .read(&mut buffer)
            .map_err(|error| ImportError::read(what, error))?;
        if n == 0 {
            return Ok(hasher.finalize());
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
        seen(n as u64)?;
    }
}

/// Fills `buffer` as far as the reader goes.
fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut n = 0;
    while let Some(rest) = buffer.get_mut(n..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(read) => n += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n)
}
