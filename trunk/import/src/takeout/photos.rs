//! Google Photos: files, sidecars and albums, folder by folder. The same photograph lies in the folder of its year and in
//! that of each of its albums; it becomes one entity.

use std::collections::{BTreeMap, HashMap};

use rhizome_tuple::{EntityId, Value as Tuple};

use super::pairing::{Pair, Role, Side, pair};
use super::sidecar::{PhotoNames, facts, key, object, time};
use super::split;
use crate::audience::Audience;
use crate::error::ImportError;
use crate::facts::Facts;
use crate::importer::{Sink, StoredFile};
use crate::part::Part;
use crate::problem::{Problem, ProblemCode, shorten};
use crate::record::Fact;
use crate::social::{Names, social};
use crate::source::Source;

/// What lies in one folder, as positions among the entries of the source.
#[derive(Default)]
struct Folder {
    media: Vec<usize>,
    sides: Vec<usize>,
    album: Option<usize>,
}

/// One photograph or film, in all the folders it lies in.
struct Item {
    key: String,
    file: Option<(usize, u64)>,
    side: Option<usize>,
    edited: Option<usize>,
    motion: Option<usize>,
    /// Positions in the list of albums.
    albums: Vec<usize>,
}

struct Album {
    entity: EntityId,
    title: String,
}

/// The photographs of a takeout while its files are listed.
#[derive(Default)]
pub struct Photos {
    folders: BTreeMap<String, Folder>,
}

/// Folders of the whole library, in some languages.
const ROOTS: [&str; 3] = ["Google Photos", "Google Fotos", "Google Foto"];
/// Folders that are no albums either.
const NO_ALBUMS: [&str; 10] = [
    "Archive",
    "Archiv",
    "Trash",
    "Bin",
    "Papierkorb",
    "Failed Videos",
    "Locked Folder",
    "Gesperrter Ordner",
    "Untitled",
    "Ohne Titel",
];
/// What stands before the year in the name of its folder.
const YEARS: [&str; 9] = [
    "Photos from",
    "Fotos von",
    "Fotos aus",
    "Photos de",
    "Fotos de",
    "Foto del",
    "Foto dal",
    "Foto's uit",
    "Zdjęcia z",
];

fn is_root(folder: &str) -> bool {
    ROOTS.contains(&split(folder).1)
}

/// Whether a folder holds a library's part that nobody named.
fn is_plain(name: &str) -> bool {
    let year = |year: &str| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit());
    let dated = name.len() >= 10
        && name.bytes().take(10).enumerate().all(|(n, b)| match n {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    dated
        || NO_ALBUMS.contains(&name)
        || ROOTS.contains(&name)
        || name
            .rsplit_once(' ')
            .is_some_and(|(words, last)| year(last) && YEARS.contains(&words))
}

impl Photos {
    fn folder(&mut self, path: &str) -> &mut Folder {
        self.folders.entry(split(path).0.to_owned()).or_default()
    }

    /// Notes a picture or film.
    pub fn media(&mut self, path: &str, at: usize) {
        self.folder(path).media.push(at);
    }

    /// Notes a sidecar.
    pub fn sidecar(&mut self, path: &str, at: usize) {
        self.folder(path).sides.push(at);
    }

    /// Notes the description of an album.
    pub fn album(&mut self, path: &str, at: usize) {
        self.folder(path).album = Some(at);
    }

    /// Hands everything over. Files in folders that are not of Google Photos are left to others.
    pub fn read(self, source: &Source, sink: &mut dyn Sink) -> Result<(), ImportError> {
        let mut reading = Reading {
            source,
            sink,
            names: Names::new(),
            photo: PhotoNames::new(),
            items: Vec::new(),
            by_key: HashMap::new(),
            albums: Vec::new(),
        };
        for (path, folder) in &self.folders {
            let parent = split(path).0;
            if folder.sides.is_empty() && !is_root(path) && !is_root(parent) {
                continue;
            }
            reading.folder(path, folder)?;
        }
        let items = std::mem::take(&mut reading.items);
        let all = items.len() as u64;
        for (n, item) in items.iter().enumerate() {
            if n % 64 == 0 {
                reading.sink.progress("Google Photos", n as u64, all)?;
            }
            reading.item(item)?;
        }
        Ok(())
    }
}

struct Reading<'a> {
    source: &'a Source,
    sink: &'a mut dyn Sink,
    names: Names,
    photo: PhotoNames,
    items: Vec<Item>,
    by_key: HashMap<String, usize>,
    albums: Vec<Album>,
}

impl Reading<'_> {
    fn path(&self, at: usize) -> &str {
        let entry = self.source.entries().get(at);
        entry.map_or("", |entry| entry.path.as_str())
    }

    /// Lists what a folder holds.
    fn folder(&mut self, path: &str, folder: &Folder) -> Result<(), ImportError> {
        let source = self.source;
        let entries = source.entries();
        let album = self.album(path, folder)?;
        let mut sides = Vec::with_capacity(folder.sides.len());
        for at in &folder.sides {
            let Some(entry) = entries.get(*at) else {
                continue;
            };
            self.sink.used(&entry.path);
            match object(source, &entry.path)? {
                Ok(fields) => {
                    let title = fields.get("title").and_then(serde_json::Value::as_str);
                    let title = title.unwrap_or_default().to_owned();
                    sides.push((*at, split(&entry.path).1, title, key(&fields)));
                }
                Err(why) => {
                    let message = format!("{why}; what it says of a photograph is not known");
                    self.sink.skip(
                        "media",
                        Problem::of_file(ProblemCode::Malformed, &entry.path, message),
                    );
                }
            }
        }
        let media: Vec<&str> = folder
            .media
            .iter()
            .filter_map(|at| entries.get(*at))
            .map(|entry| split(&entry.path).1)
            .collect();
        let described: Vec<Side<'_>> = sides
            .iter()
            .map(|(_, name, title, _)| Side { name, title })
            .collect();
        let pairs = pair(&media, &described);
        let file = |n: usize| {
            let at = *folder.media.get(n)?;
            Some((at, entries.get(at)?.size))
        };
        let mut of_media: HashMap<usize, usize> = HashMap::new();
        let mut met = vec![false; sides.len()];
        for Pair {
            media: n,
            side,
            role,
            ..
        } in &pairs
        {
            if *role != Role::Own {
                continue;
            }
            let described = side.and_then(|side| Some((side, sides.get(side)?)));
            let item = if let Some((side, (at, _, _, key))) = described {
                if let Some(met) = met.get_mut(side) {
                    *met = true;
                }
                self.meet(key, file(*n), Some(*at))
            } else {
                let name = media.get(*n).copied().unwrap_or_default();
                let size = file(*n).map_or(0, |(_, size)| size);
                self.meet(&format!("file/{name}#{size}"), file(*n), None)
            };
            of_media.insert(*n, item);
        }
        // A sidecar whose file is in another part of the takeout still says what it knows.
        for ((at, _, _, key), met) in sides.iter().zip(&met) {
            let edited = pairs.iter().any(|pair| {
                pair.role == Role::Edited
                    && pair
                        .side
                        .and_then(|side| sides.get(side))
                        .is_some_and(|side| side.0 == *at)
            });
            if !met && !edited {
                let item = self.meet(key, None, Some(*at));
                self.join(item, album);
            }
        }
        for item in of_media.values() {
            self.join(*item, album);
        }
        for Pair {
            media: n,
            side,
            role,
            of,
        } in pairs
        {
            let known = of.and_then(|of| of_media.get(&of).copied());
            let known = known.or_else(|| {
                let (at, _, _, key) = sides.get(side?)?;
                Some(self.meet(key, None, Some(*at)))
            });
            let Some(item) = known.and_then(|item| self.items.get_mut(item)) else {
                continue;
            };
            let place = match role {
                Role::Own => continue,
                Role::Edited => &mut item.edited,
                Role::Motion => &mut item.motion,
            };
            let at = folder.media.get(n).copied();
            *place = place.or(at);
            if let Some(entry) = at.and_then(|at| entries.get(at)) {
                self.sink.used(&entry.path);
            }
            if role == Role::Edited
                && let Some(item) = known
            {
                self.join(item, album);
            }
        }
        Ok(())
    }

    /// The item of a key, or a new one. Of two different files under one key, which old exports give to pictures of one
    /// name and second, the later is known by its length too.
    fn meet(&mut self, key: &str, file: Option<(usize, u64)>, side: Option<usize>) -> usize {
        let mut key = key.to_owned();
        if let Some(item) = self.by_key.get(&key).and_then(|at| self.items.get(*at))
            && let (Some((_, here)), Some((_, there))) = (file, item.file)
            && here != there
        {
            key = format!("{key}#{here}");
        }
        if let Some(path) = file.map(|(at, _)| self.path(at).to_owned()) {
            self.sink.used(&path);
        }
        let next = self.items.len();
        let at = *self.by_key.entry(key.clone()).or_insert(next);
        if at == next {
            self.items.push(Item {
                key,
                file,
                side,
                edited: None,
                motion: None,
                albums: Vec::new(),
            });
        } else if let Some(item) = self.items.get_mut(at) {
            item.file = item.file.or(file);
            item.side = item.side.or(side);
        }
        at
    }

    fn join(&mut self, item: usize, album: Option<usize>) {
        if let (Some(item), Some(album)) = (self.items.get_mut(item), album)
            && !item.albums.contains(&album)
        {
            item.albums.push(album);
        }
    }

    /// The album of a folder, if it is one.
    fn album(&mut self, path: &str, folder: &Folder) -> Result<Option<usize>, ImportError> {
        let name = split(path).1;
        let path_of = |at: usize| {
            self.source
                .entries()
                .get(at)
                .map(|entry| entry.path.clone())
        };
        let metadata = folder.album.and_then(path_of);
        let mut fields = serde_json::Map::new();
        if let Some(file) = &metadata {
            self.sink.used(file);
            match object(self.source, file)? {
                Ok(read) => fields = read,
                Err(why) => self.sink.problem(Problem::of_file(
                    ProblemCode::Malformed,
                    file,
                    format!("{why}; the album has its folder's name"),
                )),
            }
        }
        if is_plain(name) || is_root(path) || path.is_empty() && metadata.is_none() {
            return Ok(None);
        }
        let inner = fields
            .get("albumData")
            .and_then(serde_json::Value::as_object);
        let mut part = Part::new(inner.unwrap_or(&fields));
        let title = part.text("title").unwrap_or(name).to_owned();
        let key = format!("album/{name}");
        let entity = self.sink.entity(&key);
        let created = time(&mut part, "date");
        let mut facts = Facts::default();
        facts.one(&self.photo.r#type, "album");
        facts.one(&self.photo.title, title.as_str());
        facts.or_empty(&self.photo.description, part.text("description"));
        facts.maybe(&self.photo.created, created.map(Tuple::Time));
        facts.maybe(&self.photo.shared, part.text("access"));
        let file = metadata.unwrap_or_default();
        part.problems(&file, &shorten(&title))
            .for_each(|problem| self.sink.problem(problem));
        self.sink
            .record(facts.record("album", key, created, Some(Audience::Direct)))?;
        self.albums.push(Album { entity, title });
        Ok(Some(self.albums.len() - 1))
    }

    /// Hands a photograph over, with its edited copy and its film.
    fn item(&mut self, item: &Item) -> Result<(), ImportError> {
        let file = match item.file {
            Some((at, _)) => {
                let path = self.path(at).to_owned();
                self.sink.file(&path)?
            }
            None => None,
        };
        let mut said = Facts::default();
        let mut created = None;
        let shown = match (item.side, item.file) {
            (Some(at), _) | (None, Some((at, _))) => self.path(at).to_owned(),
            (None, None) => String::new(),
        };
        if item.side.is_some() {
            if let Ok(fields) = object(self.source, &shown)? {
                let mut part = Part::new(&fields);
                created = time(&mut part, "photoTakenTime");
                facts(&mut part, &self.photo, &mut said);
                said.maybe(&self.names.url, part.text("url"));
                part.problems(&shown, &shorten(&item.key))
                    .for_each(|problem| self.sink.problem(problem));
            }
            if item.file.is_none() {
                let message = "the file it describes is not in this export: give all parts of it, in one folder";
                self.sink
                    .problem(Problem::of_file(ProblemCode::MissingFile, &shown, message));
            }
        } else {
            said.one(&self.photo.title, split(&shown).1);
            let message = "nothing describes this file: its time and albums' data are not known";
            self.sink
                .problem(Problem::of_file(ProblemCode::MissingFile, &shown, message));
        }
        let mut extra = Facts::default();
        if let Some(at) = item.motion {
            let entity = self.belonging(item, at, "motion", created, None)?;
            extra.one(&self.photo.motion, entity);
        }
        if let Some(at) = item.edited {
            let original = self.sink.entity(&item.key);
            self.belonging(item, at, "edited", created, Some(original))?;
        }
        let mut all = self.media(file.as_ref(), created);
        all.0.append(&mut said.0);
        all.0.append(&mut extra.0);
        self.albums_of(item, &mut all);
        self.sink
            .record(all.record("media", item.key.clone(), created, Some(Audience::Direct)))
    }

    /// A file that has no description of its own.
    fn belonging(
        &mut self,
        item: &Item,
        at: usize,
        what: &str,
        created: Option<i64>,
        original: Option<EntityId>,
    ) -> Result<EntityId, ImportError> {
        let path = self.path(at).to_owned();
        let file = self.sink.file(&path)?;
        let key = format!("{}#{what}", item.key);
        let entity = self.sink.entity(&key);
        let mut all = self.media(file.as_ref(), created);
        all.one(&self.photo.title, split(&path).1);
        all.maybe(&self.photo.original, original);
        if original.is_some() {
            self.albums_of(item, &mut all);
        }
        self.sink
            .record(all.record("media", key, created, Some(Audience::Direct)))?;
        Ok(entity)
    }

    /// What every file says of itself.
    fn media(&self, file: Option<&StoredFile>, created: Option<i64>) -> Facts {
        let names = &self.names;
        let mut all = social("media", Audience::Direct, names);
        all.maybe(&names.created, created.map(Tuple::Time));
        if let Some(file) = file {
            all.one(&names.blob, Tuple::Blob(file.cid));
            let mime = file.mime.unwrap_or("application/octet-stream");
            all.one(&names.mime, mime);
            if let Some((width, height)) = file.size {
                all.one(&names.width, i64::from(width));
                all.one(&names.height, i64::from(height));
            }
            if mime.starts_with("image/") {
                all.one(&names.is_photo, true);
            }
        }
        all
    }

    /// The albums of an item. One part of a takeout does not know all of them, so none is taken away.
    fn albums_of(&self, item: &Item, all: &mut Facts) {
        let albums: Vec<&Album> = item
            .albums
            .iter()
            .filter_map(|at| self.albums.get(*at))
            .collect();
        let first = albums.iter().map(|album| album.title.as_str()).min();
        all.maybe(&self.photo.album_name, first);
        if !albums.is_empty() {
            all.0.push(Fact::Members {
                attribute: self.photo.album.clone(),
                values: albums
                    .iter()
                    .map(|album| Tuple::Ref(album.entity))
                    .collect(),
                whole: false,
            });
        }
    }
}
