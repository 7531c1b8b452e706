//! Which files of an archive are what.

use crate::error::ImportError;
use crate::source::Source;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Account,
    Profile,
    Protected,
    Tweets,
    Circle,
    Notes,
    Deleted,
    Likes,
    Following,
    Followers,
    Messages,
}

/// The files of an archive that are read, sorted by kind and path.
#[derive(Debug, Default)]
pub struct Files(Vec<(Kind, String)>);

/// Columns of `tweets.csv` that no other table has.
const COLUMNS: [&str; 3] = ["tweet_id", "in_reply_to_status_id", "retweeted_status_id"];

pub fn is_csv(path: &str) -> bool {
    path.len() > 4 && path.to_ascii_lowercase().ends_with(".csv")
}

impl Files {
    /// Those of a source, by their names.
    pub fn of(source: &Source) -> Self {
        let mut files = Vec::new();
        for entry in source.entries() {
            if let Some(kind) = kind(&entry.path) {
                files.push((kind, entry.path.clone()));
            }
        }
        // A table of tweets lies beside the same as scripts; only alone it is read.
        let scripts = |(kind, path): &(Kind, String)| *kind == Kind::Tweets && !is_csv(path);
        if files.iter().any(scripts) {
            files.retain(|(_, path)| !is_csv(path));
        }
        files.sort();
        Self(files)
    }

    /// Files of a kind.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(of, _)| *of == kind)
            .map(|(_, path)| path.as_str())
    }

    /// What shows that this is an archive of Twitter: the name that its scripts give to their values, or the table's columns.
    pub fn evidence(&self, source: &Source) -> Result<Option<String>, ImportError> {
        // Some name their files as Twitter does; what is in the first few decides.
        for (kind, path) in self.0.iter().take(16) {
            let head = source.head(path, 512)?;
            let head = String::from_utf8_lossy(&head);
            let scripted = head.contains("window.YTD.") || head.contains("Grailbird.data.");
            let table = *kind == Kind::Tweets
                && is_csv(path)
                && COLUMNS.iter().all(|name| head.contains(name));
            if scripted || table {
                return Ok(Some(format!("{path} of Twitter")));
            }
        }
        Ok(None)
    }
}

fn kind(path: &str) -> Option<Kind> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name == "tweets.csv" {
        return Some(Kind::Tweets);
    }
    let name = name.strip_suffix(".js")?;
    if folder == "data/js/tweets" || folder.ends_with("/data/js/tweets") {
        return Some(Kind::Tweets);
    }
    if folder == "data/js" || folder.ends_with("/data/js") {
        return (name == "user_details").then_some(Kind::Account);
    }
    let name = match name.rsplit_once("-part") {
        Some((before, n)) if n.bytes().all(|b| b.is_ascii_digit()) => before,
        _ => name,
    };
    Some(match name {
        "account" => Kind::Account,
        "profile" => Kind::Profile,
        "protected-history" => Kind::Protected,
        "tweet" | "tweets" | "community-tweet" => Kind::Tweets,
        "twitter-circle-tweet" => Kind::Circle,
        "note-tweet" => Kind::Notes,
        "deleted-tweet" | "deleted-tweets" => Kind::Deleted,
        "like" => Kind::Likes,
        "following" => Kind::Following,
        "follower" => Kind::Followers,
        "direct-message" | "direct-messages" | "direct-message-group" | "direct-messages-group" => {
            Kind::Messages
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_all_years_have_their_kind() {
        for (path, of) in [
            ("data/tweets.js", Some(Kind::Tweets)),
            ("archive/data/tweets-part12.js", Some(Kind::Tweets)),
            ("tweet.js", Some(Kind::Tweets)),
            ("data/js/tweets/2016_01.js", Some(Kind::Tweets)),
            ("data/js/user_details.js", Some(Kind::Account)),
            ("data/js/payload_details.js", None),
            ("tweets.csv", Some(Kind::Tweets)),
            ("data/follower.js", Some(Kind::Followers)),
            ("data/direct-messages-group-part1.js", Some(Kind::Messages)),
            ("data/direct-message-headers.js", None),
            ("data/tweet-headers.js", None),
            ("data/tweets_media/1-a.jpg", None),
            ("assets/js/app.js", None),
        ] {
            assert_eq!(kind(path), of, "{path}");
        }
    }
}
