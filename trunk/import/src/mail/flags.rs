//! What the names of Maildir files and the status lines of mailboxes say.

/// The flags in the name of a Maildir file, `cur/TIME.ID.HOST:2,FLAGS`; `None` for other names. Archives write `;` or `!` for
/// the colon where it may not be in names.
pub fn maildir(path: &str) -> Option<Vec<&'static str>> {
    let (folder, name) = path.rsplit_once('/')?;
    let folder = folder.rsplit('/').next().unwrap_or(folder);
    let info = [":2,", ";2,", "!2,"]
        .iter()
        .find_map(|mark| name.rsplit_once(mark));
    match (folder, info) {
        (_, Some((_, flags))) => Some(flags.chars().filter_map(flag).collect()),
        ("cur" | "new", None) => Some(Vec::new()),
        _ => None,
    }
}

fn flag(letter: char) -> Option<&'static str> {
    Some(match letter {
        'S' => "seen",
        'R' => "answered",
        'F' => "flagged",
        'D' => "draft",
        'T' => "deleted",
        'P' => "passed",
        _ => return None,
    })
}

/// The flags of `Status` and `X-Status` lines.
pub fn status(text: &str) -> impl Iterator<Item = &'static str> {
    text.chars().filter_map(|letter| {
        Some(match letter {
            'R' => "seen",
            'A' => "answered",
            'F' => "flagged",
            'T' => "draft",
            'D' => "deleted",
            _ => return None,
        })
    })
}

/// The folder that a file stands for: of Maildir the folder above `cur`, of a single message the one it lies in, else the
/// file's own name.
pub fn mailbox(path: &str, single: bool) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = if maildir(path).is_some() {
        let above = folder
            .strip_suffix("cur")
            .or_else(|| folder.strip_suffix("new"));
        above.unwrap_or(folder).trim_end_matches('/')
    } else {
        folder
    };
    let text = if single {
        folder
    } else {
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    };
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_maildir_files_tell_flags() {
        assert_eq!(
            maildir("Inbox/cur/1.2.host:2,RS"),
            Some(vec!["answered", "seen"])
        );
        assert_eq!(maildir("Inbox/new/1.2.host"), Some(vec![]));
        assert_eq!(maildir("Inbox/1.eml"), None);
        assert_eq!(
            mailbox("Mail/Inbox/cur/1.2.host:2,S", true).as_deref(),
            Some("Mail/Inbox")
        );
        assert_eq!(
            mailbox("Mail/All mail.mbox", false).as_deref(),
            Some("All mail")
        );
        assert_eq!(mailbox("a.eml", true), None);
        assert_eq!(status("RO").collect::<Vec<_>>(), ["seen"]);
    }
}
