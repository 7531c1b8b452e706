//! Folders and archives, ordinary and hostile.

use rhizome_import::{ImportError, Limits, Packing, ProblemCode, Source};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn small() -> Limits {
    Limits {
        entries: 10,
        total_bytes: 1 << 20,
        file_bytes: 1 << 19,
        ratio: 20,
        ratio_floor: 1 << 16,
        ..Limits::default()
    }
}

fn open(at: &Path) -> Result<Source, ImportError> {
    Source::open(at, &small())
}

fn zip_of(at: PathBuf, files: &[(&str, &[u8])]) -> PathBuf {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&at).unwrap());
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    at
}

fn all(source: &Source, path: &str) -> Result<Vec<u8>, std::io::Error> {
    let mut bytes = Vec::new();
    source
        .read(path)
        .map_err(std::io::Error::other)?
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn paths(source: &Source) -> Vec<&str> {
    source
        .entries()
        .iter()
        .map(|entry| entry.path.as_str())
        .collect()
}

#[test]
fn a_single_file_and_a_gzipped_one_are_sources() {
    let at = folder();
    std::fs::write(at.path().join("a.csv"), "x").unwrap();
    let source = open(&at.path().join("a.csv")).unwrap();
    assert_eq!(
        (source.packing(), paths(&source)),
        (Packing::File, vec!["a.csv"])
    );
    let mut gzip = flate2::write::GzEncoder::new(
        std::fs::File::create(at.path().join("b.csv.gz")).unwrap(),
        flate2::Compression::default(),
    );
    gzip.write_all(b"hello").unwrap();
    gzip.finish().unwrap();
    let source = open(&at.path().join("b.csv.gz")).unwrap();
    assert_eq!(paths(&source), ["b.csv"]);
    assert_eq!(all(&source, "b.csv").unwrap(), b"hello");
}

#[cfg(unix)]
#[test]
fn links_in_a_folder_are_not_followed() {
    let at = folder();
    let secret = folder();
    std::fs::write(secret.path().join("secret"), "x").unwrap();
    std::os::unix::fs::symlink(secret.path(), at.path().join("folder")).unwrap();
    std::os::unix::fs::symlink(secret.path().join("secret"), at.path().join("file")).unwrap();
    std::fs::write(at.path().join("good"), "x").unwrap();
    std::fs::write(at.path().join(".DS_Store"), "x").unwrap();
    let source = open(at.path()).unwrap();
    assert_eq!((paths(&source), source.litter()), (vec!["good"], 1));
    assert_eq!(
        source
            .problems()
            .iter()
            .map(|problem| problem.code)
            .collect::<Vec<_>>(),
        [ProblemCode::Link; 2]
    );
    // A listed file that became a link since is not read either.
    std::fs::remove_file(at.path().join("good")).unwrap();
    std::os::unix::fs::symlink(secret.path().join("secret"), at.path().join("good")).unwrap();
    assert!(source.read("good").is_err());
}

/// A zip of these files as bytes.
fn zipped(files: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_zip_of_zips_is_what_is_in_them() {
    use zip::CompressionMethod::{Deflated, Stored};
    let at = folder();
    let parts = [
        (
            "Export-Part-1.zip",
            zipped(&[("a.md", b"one"), ("x/b.md", b"two")], Deflated),
        ),
        (
            "Export-Part-2.zip",
            zipped(&[("x/c.md", b"three"), ("a.md", b"again")], Stored),
        ),
    ];
    let files: Vec<(&str, &[u8])> = parts.iter().map(|(n, b)| (*n, b.as_slice())).collect();
    let folder_of = at.path().join("folder");
    std::fs::create_dir(&folder_of).unwrap();
    for method in [Deflated, Stored] {
        let outer = at.path().join("outer.zip");
        std::fs::write(&outer, zipped(&files, method)).unwrap();
        std::fs::copy(&outer, folder_of.join("outer.zip")).unwrap();
        for (place, packing) in [(&outer, Packing::Zip), (&folder_of, Packing::Directory)] {
            let source = open(place).unwrap();
            assert_eq!(paths(&source), ["a.md", "x/b.md", "x/c.md"]);
            assert_eq!(source.packing(), packing);
            assert_eq!(all(&source, "a.md").unwrap(), b"one");
            assert_eq!(all(&source, "x/c.md").unwrap(), b"three");
            assert_eq!(source.problems().len(), 1, "the second of that name");
        }
    }
    // Beside anything else, or deeper, an archive is a file.
    let beside = [files[0], ("note.txt", b"x")];
    let outer = zip_of(at.path().join("beside.zip"), &beside);
    assert_eq!(
        paths(&open(&outer).unwrap()),
        ["Export-Part-1.zip", "note.txt"]
    );
    let inner = zipped(&files, Deflated);
    let outer = zip_of(at.path().join("deep.zip"), &[("outer.zip", &inner)]);
    assert_eq!(
        paths(&open(&outer).unwrap()),
        ["Export-Part-1.zip", "Export-Part-2.zip"]
    );
    // One that cannot be read stays, and is reported.
    let outer = zip_of(
        at.path().join("bad.zip"),
        &[files[0], ("bad.zip", b"PK\x03\x04 not")],
    );
    let source = open(&outer).unwrap();
    assert_eq!(paths(&source), ["a.md", "bad.zip", "x/b.md"]);
    assert_eq!(source.problems()[0].code, ProblemCode::Damaged);
}

#[test]
fn a_zip_of_zips_cannot_be_a_bomb() {
    use zip::CompressionMethod::Deflated;
    let at = folder();
    // Each archive alone is small enough for any ratio, together they are not.
    let zeros = vec![0; 60_000];
    let inner = zipped(&[("zeros", &zeros)], Deflated);
    let one = zip_of(at.path().join("one.zip"), &[("a.zip", &inner)]);
    assert_eq!(all(&open(&one).unwrap(), "zeros").unwrap(), zeros);
    let files: [(&str, &[u8]); 2] = [("a.zip", &inner), ("b.zip", &inner)];
    let outer = zip_of(at.path().join("outer.zip"), &files);
    assert!(matches!(open(&outer), Err(ImportError::Bomb { .. })));
    // Too many files in all.
    let names: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"x"[..]))
        .collect();
    let many = zipped(&many, Deflated);
    let outer = zip_of(
        at.path().join("many.zip"),
        &[("a.zip", &many), ("b.zip", &many)],
    );
    assert!(matches!(
        open(&outer),
        Err(ImportError::TooManyEntries { .. })
    ));
}

#[test]
fn a_zip_cannot_name_files_outside_itself() {
    let at = folder();
    let names: Vec<(&str, &[u8])> = vec![
        ("../up", b"x"),
        ("/etc/passwd", b"x"),
        ("a/../../b", b"x"),
        ("C:\\x", b"x"),
        ("..\\y", b"x"),
        ("good\\file", b"yes"),
    ];
    let source = open(&zip_of(at.path().join("a.zip"), &names)).unwrap();
    assert_eq!(paths(&source), ["good/file"]);
    assert_eq!(all(&source, "good/file").unwrap(), b"yes");
    assert_eq!(source.problems().len(), 5);
    assert!(
        source
            .problems()
            .iter()
            .all(|problem| problem.code == ProblemCode::UnsafePath)
    );
    for path in ["../up", "/etc/passwd", "good/../good/file", ""] {
        assert!(source.read(path).is_err(), "{path}");
    }
}

#[test]
fn links_in_a_zip_are_left_out() {
    let at = folder().keep().join("a.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&at).unwrap());
    zip.add_symlink("link", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    zip.finish().unwrap();
    let source = open(&at).unwrap();
    assert!(source.entries().is_empty());
    assert_eq!(source.problems()[0].code, ProblemCode::Link);
    std::fs::remove_dir_all(at.parent().unwrap()).unwrap();
}

#[test]
fn bombs_are_refused() {
    let at = folder();
    let zeros = vec![0; 400 << 10];
    let bomb = zip_of(at.path().join("bomb.zip"), &[("zeros", &zeros)]);
    assert!(matches!(open(&bomb), Err(ImportError::Bomb { .. })));
    let many: Vec<_> = (0..11).map(|n| format!("f{n}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    assert!(matches!(
        open(&zip_of(at.path().join("many.zip"), &many)),
        Err(ImportError::TooManyEntries { .. })
    ));
    let noise: Vec<u8> = (0..600_u32 << 10)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    assert!(matches!(
        open(&zip_of(at.path().join("large.zip"), &[("f", &noise)])),
        Err(ImportError::TooLarge { .. } | ImportError::Bomb { .. })
    ));
    let gzip = at.path().join("bomb.gz");
    let mut encoder = flate2::write::GzEncoder::new(
        std::fs::File::create(&gzip).unwrap(),
        flate2::Compression::best(),
    );
    encoder.write_all(&vec![0; 4 << 20]).unwrap();
    encoder.finish().unwrap();
    assert!(matches!(
        open(&gzip),
        Err(ImportError::Bomb { .. } | ImportError::TooLarge { .. })
    ));
}

/// Entries that share their bytes let a small zip unpack to a huge one however modest each ratio is.
#[test]
fn a_zip_whose_entries_overlap_is_refused() {
    let at = folder();
    let path = zip_of(
        at.path().join("a.zip"),
        &[("a", b"some text here"), ("b", b"some text here")],
    );
    let mut bytes = std::fs::read(&path).unwrap();
    // Both central entries are made to point at the first file.
    let central: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, w)| *w == b"PK\x01\x02")
        .map(|(n, _)| n)
        .collect();
    bytes[central[1] + 42..central[1] + 46].fill(0);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(
        open(&path),
        Err(ImportError::Bomb { .. } | ImportError::Archive { .. })
    ));
}

#[test]
fn a_member_that_lies_about_its_size_or_content_is_an_error_when_read() {
    let at = folder();
    let path = zip_of(
        at.path().join("a.zip"),
        &[(
            "a",
            b"some text here, long enough to be worth packing, text text text",
        )],
    );
    let good = std::fs::read(&path).unwrap();
    let central = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for (place, what) in [(24, "size"), (16, "checksum")] {
        let mut bytes = good.clone();
        bytes[central + place] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let source = open(&path).unwrap();
        assert!(all(&source, "a").is_err(), "{what}");
    }
}

#[test]
fn damaged_archives_give_errors_and_never_panic() {
    let at = folder();
    let path = zip_of(
        at.path().join("a.zip"),
        &[("a", b"text"), ("b/c", b"more text")],
    );
    let good = std::fs::read(&path).unwrap();
    for n in 0..good.len() {
        let mut bytes = good.clone();
        bytes[n] ^= 0xff;
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(source) = open(&path) {
            for entry in source.entries() {
                let _ = all(&source, &entry.path);
            }
        }
        std::fs::write(&path, &good[..n]).unwrap();
        let _ = open(&path);
    }
}

#[test]
fn a_tar_is_read_and_its_strange_members_are_left_out() {
    let at = folder();
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind: tar::EntryType, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        // `set_path` refuses climbing names; an attacker's writer does not.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if kind == tar::EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        tar.append(&header, bytes).unwrap();
    };
    add("good/a", tar::EntryType::Regular, b"yes");
    add("../up", tar::EntryType::Regular, b"x");
    add("/abs", tar::EntryType::Regular, b"x");
    add("link", tar::EntryType::Symlink, b"");
    add("dir/", tar::EntryType::Directory, b"");
    add("good/a", tar::EntryType::Regular, b"again");
    let bytes = tar.into_inner().unwrap();
    let path = at.path().join("a.tar");
    std::fs::write(&path, &bytes).unwrap();
    let source = open(&path).unwrap();
    assert_eq!(
        (source.packing(), paths(&source)),
        (Packing::Tar, vec!["good/a"])
    );
    assert_eq!(all(&source, "good/a").unwrap(), b"yes");
    let mut codes: Vec<_> = source
        .problems()
        .iter()
        .map(|problem| problem.code)
        .collect();
    codes.sort();
    assert_eq!(
        codes,
        [
            ProblemCode::UnsafePath,
            ProblemCode::UnsafePath,
            ProblemCode::Link,
            ProblemCode::DuplicateFile
        ]
    );
    for n in (0..bytes.len()).step_by(7) {
        std::fs::write(&path, &bytes[..n]).unwrap();
        if let Ok(source) = open(&path) {
            for entry in source.entries() {
                let _ = all(&source, &entry.path);
            }
        }
    }
}

#[test]
fn the_digest_depends_on_every_file() {
    let at = folder();
    let digest = || open(at.path()).unwrap().digest(&mut |_| Ok(())).unwrap();
    std::fs::write(at.path().join("a"), "x").unwrap();
    std::fs::write(at.path().join("b"), "y").unwrap();
    let first = digest();
    assert_eq!(digest(), first);
    std::fs::write(at.path().join("b"), "z").unwrap();
    let second = digest();
    std::fs::rename(at.path().join("b"), at.path().join("c")).unwrap();
    assert!(first != second && second != digest());
}
