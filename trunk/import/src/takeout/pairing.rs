//! Which sidecar belongs to which file of a folder. Google Photos names them by rules of its own:
//!
//! * `IMG.jpg` has `IMG.jpg.json`, since 2024 `IMG.jpg.supplemental-metadata.json`;
//! * the name before `.json` is cut at 46 characters: `IMG.jpg.supplemental-me.json`, or within the file's own name;
//! * a second `IMG.jpg` is `IMG(1).jpg`, its sidecar `IMG.jpg(1).json` or `IMG.jpg.supplemental-metadata(1).json`;
//! * an edited copy `IMG-edited.jpg` (in the account's language) has none of its own;
//! * of a live photograph only the still has one, not the film `IMG.MP4`.

use std::collections::{HashMap, HashSet};

use super::kind::is_film;

/// What a file is to its sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the sidecar describes, if it has one.
    Own,
    /// An edited copy.
    Edited,
    /// The film of a live photograph.
    Motion,
}

/// One file with what belongs to it, as positions in the lists given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The file.
    pub media: usize,
    /// Its sidecar.
    pub side: Option<usize>,
    /// What it is.
    pub role: Role,
    /// The file it is an edited copy of, or the film of.
    pub of: Option<usize>,
}

/// What is put after a name since 2024, cut where the name gets too long.
const SUFFIX: &str = ".supplemental-metadata";
/// Names of at least so many characters may have been cut: at 46 or 47, and at 51 with what follows.
const CUT: usize = 44;
/// How an edited copy is called, in the languages of Google Photos that use Latin letters and two others.
const EDITED: [&str; 14] = [
    "edited",
    "bearbeitet",
    "modifié",
    "editado",
    "editada",
    "modificato",
    "bewerkt",
    "edytowane",
    "redigerad",
    "redigeret",
    "muokattu",
    "upraveno",
    "編集済み",
    "изменено",
];

/// A sidecar: its file name and the title it tells.
pub struct Side<'a> {
    /// The name of its file.
    pub name: &'a str,
    /// The name its photograph had.
    pub title: &'a str,
}

/// Pairs the files of one folder with its sidecars.
pub fn pair(media: &[&str], sides: &[Side<'_>]) -> Vec<Pair> {
    let stems: HashMap<String, usize> = sides
        .iter()
        .enumerate()
        .map(|(n, side)| (stem(side.name).0.to_owned(), n))
        .collect();
    let files: HashMap<&str, usize> = media.iter().enumerate().map(|(n, m)| (*m, n)).collect();
    let stills: HashMap<&str, usize> = media
        .iter()
        .enumerate()
        .filter(|(_, name)| !is_film(name))
        .map(|(n, name)| (stem(name).0, n))
        .collect();
    let mut pairs: Vec<Pair> = Vec::with_capacity(media.len());
    let mut used: HashSet<usize> = HashSet::new();
    for (n, name) in media.iter().enumerate() {
        let side = sidecar(name, &stems);
        let mut pair = Pair {
            media: n,
            side,
            role: Role::Own,
            of: None,
        };
        if side.is_none() {
            if let Some(original) = original(name) {
                pair.role = Role::Edited;
                pair.of = files.get(original.as_str()).copied();
                pair.side = sidecar(&original, &stems);
                if pair.of.is_none() && pair.side.is_none() {
                    pair.role = Role::Own;
                }
            } else if is_film(name)
                && let Some(still) = stills.get(stem(name).0)
            {
                pair.role = Role::Motion;
                pair.of = Some(*still);
            }
        }
        if pair.role == Role::Own {
            used.extend(side);
        }
        pairs.push(pair);
    }
    // Last of all by the title inside a sidecar, for names that were cut or cleaned otherwise.
    for pair in &mut pairs {
        if pair.role == Role::Own && pair.side.is_none() {
            let name = media.get(pair.media).copied().unwrap_or_default();
            let found = sides
                .iter()
                .enumerate()
                .find(|(n, side)| !used.contains(n) && titled(name, side.title));
            if let Some((n, _)) = found {
                pair.side = Some(n);
                used.insert(n);
            }
        }
    }
    pairs
}

/// A name up to its extension, and that.
fn stem(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or((name, ""))
}

fn sidecar(name: &str, stems: &HashMap<String, usize>) -> Option<usize> {
    let numbered = || {
        let (base, number, extension) = number(name)?;
        named(&format!("{base}.{extension}"), number, stems)
    };
    named(name, "", stems).or_else(numbered)
}

/// The sidecar of a name, with a number after it: the longest of the names it may have been cut to.
fn named(name: &str, number: &str, stems: &HashMap<String, usize>) -> Option<usize> {
    let full = format!("{name}{SUFFIX}");
    let ends = full.char_indices().map(|(at, c)| at + c.len_utf8());
    let mut ends: Vec<(usize, usize)> = ends.enumerate().map(|(n, end)| (n + 1, end)).collect();
    ends.reverse();
    ends.into_iter()
        .filter(|(chars, end)| *end >= name.len() || *chars >= CUT)
        .find_map(|(_, end)| {
            let cut = full.get(..end)?;
            stems.get(&format!("{cut}{number}")).copied()
        })
}

/// `IMG(1).jpg` as `IMG`, `(1)`, `jpg`.
fn number(name: &str) -> Option<(&str, &str, &str)> {
    let (stem, extension) = stem(name);
    let open = stem.rfind('(')?;
    let (base, number) = stem.split_at(open);
    let digits = number.strip_prefix('(')?.strip_suffix(')')?;
    let fits =
        !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then_some((base, number, extension))
}

/// The name of what an edited copy was made of: `IMG-edited(1).jpg` of `IMG(1).jpg`.
fn original(name: &str) -> Option<String> {
    let (base, digits, extension) = number(name).unwrap_or_else(|| {
        let (base, extension) = stem(name);
        (base, "", extension)
    });
    let (before, word) = base.rsplit_once('-')?;
    let cut = base.chars().count() >= CUT && word.chars().count() >= 2;
    let lower = word.to_lowercase();
    let known = EDITED
        .iter()
        .any(|edited| *edited == lower || cut && edited.starts_with(&lower));
    known.then(|| format!("{before}{digits}.{extension}"))
}

/// Whether a file may be what a sidecar calls `title`.
fn titled(name: &str, title: &str) -> bool {
    let clean: String = title
        .chars()
        .map(|c| {
            if r#"&'":?*<>|\/%+#"#.contains(c) {
                '_'
            } else {
                c
            }
        })
        .collect();
    if name == clean {
        return true;
    }
    let ((stem_of_name, extension), (stem_of_title, other)) = (stem(name), stem(&clean));
    stem_of_name == clean
        || extension.eq_ignore_ascii_case(other)
            && stem_of_name.chars().count() >= CUT - 4
            && stem_of_title.starts_with(stem_of_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paired(media: &[&str], sides: &[(&str, &str)]) -> Vec<(Option<usize>, Role, Option<usize>)> {
        let sides: Vec<Side<'_>> = sides
            .iter()
            .map(|(name, title)| Side { name, title })
            .collect();
        pair(media, &sides)
            .into_iter()
            .map(|pair| (pair.side, pair.role, pair.of))
            .collect()
    }

    #[test]
    fn every_way_a_sidecar_is_named() {
        let long = "PXL_20230101_123456789.PORTRAIT-01.COVER_and_more.jpg";
        let cut: String = long.chars().take(46).collect::<String>() + ".json";
        for (media, side) in [
            ("IMG.jpg", "IMG.jpg.json"),
            ("IMG.jpg", "IMG.jpg.supplemental-metadata.json"),
            (
                "PXL_20230101_123456789.jpg",
                "PXL_20230101_123456789.jpg.supplemental-metad.json",
            ),
            ("IMG.jpg", "IMG.jpg.s.json"),
            ("IMG.jpg", "IMG.jpg..json"),
            ("IMG(1).jpg", "IMG.jpg(1).json"),
            ("IMG(1).jpg", "IMG(1).jpg.json"),
            ("IMG(12).jpg", "IMG.jpg.supplemental-metadata(12).json"),
            ("IMG(2).jpg", "IMG.jpg.supplemental-me(2).json"),
            (long, &cut),
        ] {
            assert_eq!(
                paired(&[media], &[(side, "x")]),
                [(Some(0), Role::Own, None)],
                "{media} {side}"
            );
        }
        for (media, side) in [
            ("IMG.jpg", "IMG.json"),
            ("IMG.jpg", "IMG.jpg(1).json"),
            ("IMG(1).jpg", "IMG.jpg.json"),
            ("IMG_12.jpg", "IMG_1.jpg.json"),
            ("a.jpg", "a.png.json"),
        ] {
            assert_eq!(
                paired(&[media], &[(side, "x")])[0].0,
                None,
                "{media} {side}"
            );
        }
    }

    #[test]
    fn copies_films_and_titles() {
        assert_eq!(
            paired(
                &[
                    "IMG.HEIC",
                    "IMG.MP4",
                    "IMG-edited.HEIC",
                    "IMG-bearbeitet(1).HEIC",
                    "IMG(1).HEIC"
                ],
                &[
                    ("IMG.HEIC.json", "IMG.HEIC"),
                    ("IMG.HEIC(1).json", "IMG.HEIC")
                ]
            ),
            [
                (Some(0), Role::Own, None),
                (None, Role::Motion, Some(0)),
                (Some(0), Role::Edited, Some(0)),
                (Some(1), Role::Edited, Some(4)),
                (Some(1), Role::Own, None),
            ]
        );
        assert_eq!(
            paired(
                &["what_ when_.jpg"],
                &[("what_ when_.json", "what? when?.jpg")]
            )[0]
            .0,
            Some(0)
        );
        assert_eq!(
            paired(&["one-edited.jpg"], &[]),
            [(None, Role::Own, None)],
            "a name of that kind without an original"
        );
    }

    proptest! {
        #[test]
        fn any_names_are_paired_without_panic(
            media in proptest::collection::vec("[-a-c(1).é ]{0,60}", 0..6),
            sides in proptest::collection::vec(("[-a-c(1).é ]{0,60}", "[-a-c(1).é?]{0,60}"), 0..6),
        ) {
            let media: Vec<&str> = media.iter().map(String::as_str).collect();
            let sides: Vec<Side<'_>> = sides.iter().map(|(name, title)| Side { name, title }).collect();
            let pairs = pair(&media, &sides);
            prop_assert_eq!(pairs.len(), media.len());
        }
    }
}
