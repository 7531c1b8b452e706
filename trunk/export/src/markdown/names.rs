//! Names that every file system takes, that no two files have, and that links in Markdown can carry.

use std::fmt::Write;

use rustc_hash::{FxHashMap, FxHashSet};
use unicode_normalization::UnicodeNormalization;

/// Bytes of a file's name without its ending: with the folders above it stays below the 260 characters that Windows takes.
const NAME: usize = 80;
/// Bytes of one folder's name.
const FOLDER: usize = 40;
/// Bytes of the folders above a file; what lies deeper is put into the last that fits.
const FOLDERS: usize = 110;
/// Bytes of an ending, with its full stop.
const ENDING: usize = 12;

/// Names that mean a device on Windows, whatever ending they have.
const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"];

/// Controls that turn around what follows, and what nobody sees.
fn hidden(c: char) -> bool {
    matches!(
        c,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
    ) || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{ffff}')
}

/// A name as it can be given to a file: without what some file system refuses, what links would read otherwise, and what nobody sees.
pub(super) fn safe(name: &str, most: usize) -> String {
    let mut out = String::new();
    let mut space = false;
    for c in name.chars().filter(|c| !hidden(*c)).nfc() {
        match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '#' | '^' | '[' | ']' | '%' => {
                space = true;
            }
            c if c.is_whitespace() || c.is_control() => space = true,
            c => {
                let wide = usize::from(space && !out.is_empty());
                if out.len() + wide + c.len_utf8() > most {
                    break;
                }
                if wide > 0 {
                    out.push(' ');
                }
                space = false;
                out.push(c);
            }
        }
    }
    let kept = out.trim_matches(|c: char| c == '.' || c == ' ' || c == '~');
    let device = kept.split('.').next().unwrap_or_default().trim_end();
    let device = device.to_lowercase();
    let port = device.strip_prefix("com").or(device.strip_prefix("lpt"));
    let numbered = port.is_some_and(|n| n.chars().count() == 1 && n.chars().all(char::is_numeric));
    if kept.is_empty() {
        "Untitled".to_owned()
    } else if numbered || DEVICES.contains(&device.as_str()) {
        format!("_{kept}")
    } else {
        kept.to_owned()
    }
}

/// The last part of a name with its full stop, if it is one.
pub(super) fn ending(name: &str) -> Option<&str> {
    let (stem, end) = name.rsplit_once('.')?;
    let plain = end.chars().all(|c| c.is_ascii_alphanumeric());
    let fits = !stem.is_empty() && !end.is_empty() && end.len() < ENDING && plain;
    name.get(stem.len()..).filter(|_| fits)
}

/// Folders with a slash after each, as far as they fit.
pub(super) fn folders(path: &str) -> String {
    let mut out = String::new();
    for part in path.split('/').filter(|part| !part.trim().is_empty()) {
        let part = safe(part, FOLDER);
        if out.len() + part.len() + 1 > FOLDERS {
            break;
        }
        out.push_str(&part);
        out.push('/');
    }
    out
}

/// The names that are given.
#[derive(Default)]
pub(super) struct Names {
    /// Without regard to case, which some file systems do not keep.
    files: FxHashSet<String>,
    folders: FxHashSet<String>,
    /// The number that was given last to a name that several would have.
    last: FxHashMap<String, u32>,
}

fn folded(path: &str) -> String {
    path.to_lowercase().chars().nfkc().collect()
}

impl Names {
    /// Takes exactly this path, if it is safe and nobody has it.
    pub fn exactly(&mut self, path: &str) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let end = ending(name).unwrap_or_default();
        let stem = name.strip_suffix(end).unwrap_or(name);
        let slash = if folder.is_empty() { "" } else { "/" };
        let is_safe = safe(stem, NAME) == stem && folders(folder) == format!("{folder}{slash}");
        is_safe && self.folder_is_free(folder) && self.take(path)
    }

    /// A path in a folder that nobody has, like this name and with this ending.
    pub fn free(&mut self, folder: &str, name: &str, end: &str) -> String {
        let mut folder = folder.to_owned();
        while !self.folder_is_free(folder.trim_end_matches('/')) {
            folder = format!("{}_/", folder.trim_end_matches('/'));
        }
        let name = safe(name, NAME);
        let first = format!("{folder}{name}{end}");
        if self.take(&first) {
            return first;
        }
        let key = folded(&first);
        let mut n = self.last.get(&key).copied().unwrap_or(1);
        loop {
            n += 1;
            let path = format!("{folder}{name} {n}{end}");
            if self.take(&path) {
                self.last.insert(key, n);
                return path;
            }
        }
    }

    /// Whether no file is where a folder of this path would be.
    fn folder_is_free(&self, folder: &str) -> bool {
        let folder = folded(folder);
        let mut ends = folder.match_indices('/').map(|(at, _)| at);
        !self.files.contains(&folder)
            && !ends.any(|at| folder.get(..at).is_some_and(|f| self.files.contains(f)))
    }

    fn take(&mut self, path: &str) -> bool {
        let path = folded(path);
        if self.folders.contains(&path) || !self.files.insert(path.clone()) {
            return false;
        }
        for (at, _) in path.match_indices('/') {
            self.folders.extend(path.get(..at).map(str::to_owned));
        }
        true
    }
}

/// How a link in the file `from` leads to the file `to`, as it stands in Markdown.
pub(super) fn link(from: &str, to: &str) -> String {
    let here: Vec<&str> = from.split('/').collect();
    let there: Vec<&str> = to.split('/').collect();
    let above = here.len().min(there.len()) - 1;
    let same = (0..above).take_while(|n| here.get(*n) == there.get(*n));
    let same = same.count();
    let mut out = "../".repeat(here.len() - 1 - same);
    for c in there.get(same..).unwrap_or_default().join("/").chars() {
        if c.is_alphanumeric() || "/-._~".contains(c) {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_become_plain_ones() {
        for (name, plain) in [
            ("", "Untitled"),
            ("..", "Untitled"),
            (" . ", "Untitled"),
            ("../../etc/passwd", "etc passwd"),
            ("CON", "_CON"),
            ("nul.tar.gz", "_nul.tar.gz"),
            ("Com1", "_Com1"),
            ("COM\u{b9}", "_COM\u{b9}"),
            ("combine", "combine"),
            ("a\u{202e}gpj.exe", "agpj.exe"),
            ("what? #1: [a|b]", "what 1 a b"),
            ("ends with a dot. ", "ends with a dot"),
            ("line\nbreak\u{0}", "line break"),
            (
                "\u{1f468}\u{200d}\u{1f469} \u{5e9}\u{5dc}",
                "\u{1f468}\u{200d}\u{1f469} \u{5e9}\u{5dc}",
            ),
        ] {
            assert_eq!(safe(name, NAME), plain, "{name:?}");
        }
        assert_eq!(safe(&"\u{1f33f}".repeat(100), NAME).len(), NAME);
        assert_eq!(folders("a/../b//CON/"), "a/Untitled/b/_CON/");
        assert!(folders(&"long/".repeat(100)).len() <= FOLDERS);
    }

    #[test]
    fn no_two_have_one_name() {
        let mut names = Names::default();
        assert_eq!(names.free("", "Note", ".md"), "Note.md");
        assert_eq!(names.free("", "note", ".md"), "note 2.md");
        assert_eq!(names.free("", "Note", ".md"), "Note 3.md");
        assert_eq!(names.free("Note.md/", "x", ".md"), "Note.md_/x.md");
        assert!(names.exactly("a/b.md") && !names.exactly("A/b.md"));
        assert!(!names.exactly("a/../b.md") && !names.exactly("a/NUL.md"));
        // a file is never where a folder is
        assert_eq!(names.free("", "a", ""), "a 2");
    }

    #[test]
    fn links_lead_from_folder_to_folder() {
        assert_eq!(link("a.md", "files/x y.png"), "files/x%20y.png");
        assert_eq!(link("a/b/c.md", "a/d/(e).png"), "../d/%28e%29.png");
        assert_eq!(link("a/b.md", "c.md"), "../c.md");
    }

    proptest! {
        #[test]
        fn any_name_is_safe_and_stays_so(name in any::<String>(), folder in any::<String>()) {
            let path = format!("{}{}", folders(&folder), safe(&name, NAME));
            prop_assert!(path.len() <= 200);
            for part in path.split('/') {
                prop_assert!(!part.is_empty() && !part.starts_with('.') && !part.ends_with(['.', ' ']));
                prop_assert!(!part.chars().any(|c| c.is_control() || "\\:*?\"<>|#^[]%".contains(c)));
                prop_assert_eq!(safe(part, NAME), part);
            }
        }
    }
}
