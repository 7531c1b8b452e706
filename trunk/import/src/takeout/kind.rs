//! What a file of a takeout is, by its content.

use crate::source::{Entry, Source};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The JSON beside a photograph.
    Sidecar,
    /// The JSON of an album.
    Album,
    /// My Activity or the history of `YouTube`, as JSON.
    Activity,
    /// The same as a page.
    ActivityHtml,
    /// Where the account's devices were, point by point.
    Locations,
    /// Visits and ways, as Google understood them.
    Semantic,
    /// Channels of `YouTube`.
    Subscriptions,
    /// Videos of a playlist.
    Playlist,
    /// Nothing of these.
    Other,
}

impl Kind {
    /// What speaks for a takeout, for people.
    pub fn words(self) -> Option<&'static str> {
        Some(match self {
            Self::Sidecar => "descriptions of photographs",
            Self::Activity | Self::ActivityHtml => "histories of activity",
            Self::Locations | Self::Semantic => "histories of places",
            Self::Subscriptions => "lists of channels",
            Self::Playlist => "playlists",
            Self::Album | Self::Other => return None,
        })
    }
}

/// Extensions of pictures and films that Google Photos keeps.
const MEDIA: [&str; 34] = [
    "jpg", "jpeg", "jpe", "png", "gif", "webp", "heic", "heif", "avif", "tif", "tiff", "bmp",
    "dng", "raw", "cr2", "cr3", "nef", "arw", "raf", "orf", "rw2", "mp4", "mov", "m4v", "avi",
    "3gp", "mkv", "webm", "mpg", "mpeg", "wmv", "mts", "mp", "insp",
];

fn extension(path: &str) -> String {
    path.rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase())
        .unwrap_or_default()
}

/// Whether the name is one of a picture or a film.
pub fn is_media(path: &str) -> bool {
    MEDIA.contains(&extension(path).as_str())
}

/// Whether the name is one of a film.
pub fn is_film(path: &str) -> bool {
    matches!(extension(path).as_str(), "mp4" | "mov" | "m4v" | "mp")
}

/// Whether a file is of a kind that is looked into.
pub fn may_tell(path: &str) -> bool {
    matches!(extension(path).as_str(), "json" | "html" | "csv")
}

/// Bytes that are looked at.
const HEAD: usize = 16 << 10;

/// What a file is.
pub fn kind_of_file(source: &Source, entry: &Entry) -> Kind {
    // A file that cannot be opened or is damaged is said so when the frame keeps it.
    let Ok(head) = source.head(&entry.path, HEAD) else {
        return Kind::Other;
    };
    let head = String::from_utf8_lossy(&head);
    let head = head.trim_start_matches('\u{feff}').trim_start();
    match extension(&entry.path).as_str() {
        "json" => json(head),
        "html" => html(head),
        "csv" => csv(head),
        _ => Kind::Other,
    }
}

fn json(head: &str) -> Kind {
    let has = |name: &str| head.contains(name);
    if head.starts_with('[') {
        return if has("\"header\"") && has("\"title\"") && has("\"time\"") {
            Kind::Activity
        } else {
            Kind::Other
        };
    }
    if !head.starts_with('{') {
        return Kind::Other;
    }
    if has("\"photoTakenTime\"") && has("\"title\"") {
        Kind::Sidecar
    } else if has("\"timelineObjects\"") {
        Kind::Semantic
    } else if has("\"locations\"") && (has("\"latitudeE7\"") || has("\"timestampMs\"")) {
        Kind::Locations
    } else if has("\"albumData\"") || has("\"title\"") && has("\"access\"") && has("\"date\"") {
        Kind::Album
    } else {
        Kind::Other
    }
}

fn html(head: &str) -> Kind {
    if head.contains("material-design-lite") || head.contains(".mdl-cell") {
        Kind::ActivityHtml
    } else {
        Kind::Other
    }
}

fn csv(head: &str) -> Kind {
    let mut rows = head.lines().skip(1);
    let channels = |row: &str| {
        row.split(',').nth(1).is_some_and(|url| {
            url.contains("youtube.com/channel/") || url.contains("youtube.com/@")
        })
    };
    if head.lines().nth(1).is_some_and(channels) {
        Kind::Subscriptions
    } else if rows.any(|row| video(row).is_some()) {
        Kind::Playlist
    } else {
        Kind::Other
    }
}

/// Id and time of a line of a playlist.
pub fn video(row: &str) -> Option<(&str, &str)> {
    let (id, rest) = row.split_once(',')?;
    let id = id.trim();
    let time = rest.split(',').next().unwrap_or_default().trim();
    let of_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let timely = time.len() >= 19 && time.starts_with("20") && time.get(4..5) == Some("-");
    (id.len() == 11 && id.chars().all(of_id) && timely).then_some((id, time))
}
