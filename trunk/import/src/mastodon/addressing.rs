//! Who may see an activity, by its `to` and `cc`.

use serde_json::{Map, Value};

use crate::audience::Audience;

/// The names of "everyone" in ActivityPub, section 5.6.
const PUBLIC: [&str; 3] = [
    "https://www.w3.org/ns/activitystreams#Public",
    "as:Public",
    "Public",
];

/// The audience that `to` and `cc` of one object name. `None` where it has neither, so that it says nothing.
///
/// Mastodon writes: public, everyone in `to`; unlisted, everyone in `cc`; followers, the followers' collection and not
/// everyone; direct, only the people named. Whatever is not exactly one of the first three, and whatever has another
/// shape than texts or lists of texts, is direct.
fn named(object: &Map<String, Value>, followers: &str) -> Option<Audience> {
    let (to, cc) = (
        object.get("to").filter(|to| !to.is_null()),
        object.get("cc").filter(|cc| !cc.is_null()),
    );
    if to.is_none() && cc.is_none() {
        return None;
    }
    let (Some(to), Some(cc)) = (names(to), names(cc)) else {
        return Some(Audience::Direct);
    };
    let everyone = |names: &[&str]| names.iter().any(|name| PUBLIC.contains(name));
    Some(if everyone(&to) {
        Audience::Public
    } else if everyone(&cc) {
        Audience::Unlisted
    } else if !followers.is_empty() && (to.contains(&followers) || cc.contains(&followers)) {
        Audience::Followers
    } else {
        Audience::Direct
    })
}

/// The texts of a field; `None` if it holds anything else.
fn names(field: Option<&Value>) -> Option<Vec<&str>> {
    match field {
        None => Some(Vec::new()),
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(many)) => many.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}

/// The audience of an activity and the object in it: the narrower of what the two say. `None` where neither says
/// anything; the caller takes that for direct and reports it.
pub fn audience(
    activity: &Map<String, Value>,
    object: Option<&Map<String, Value>>,
    followers: &str,
) -> Option<Audience> {
    let outer = named(activity, followers);
    let inner = object.and_then(|object| named(object, followers));
    outer.max(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FOLLOWERS: &str = "https://m.example/users/a/followers";

    fn of(activity: &Value, object: Option<&Value>) -> Option<Audience> {
        audience(
            activity.as_object().unwrap(),
            object.and_then(Value::as_object),
            FOLLOWERS,
        )
    }

    #[test]
    fn the_four_audiences_of_mastodon() {
        let (everyone, someone) = (
            "https://www.w3.org/ns/activitystreams#Public",
            "https://m.example/users/b",
        );
        for (activity, expected) in [
            (
                json!({"to": [everyone], "cc": [FOLLOWERS, someone]}),
                Audience::Public,
            ),
            (
                json!({"to": [FOLLOWERS], "cc": [everyone]}),
                Audience::Unlisted,
            ),
            (
                json!({"to": [FOLLOWERS], "cc": [someone]}),
                Audience::Followers,
            ),
            (json!({"to": [FOLLOWERS], "cc": []}), Audience::Followers),
            (json!({"to": [someone], "cc": []}), Audience::Direct),
            (json!({"to": everyone}), Audience::Public),
            (json!({"to": [], "cc": []}), Audience::Direct),
        ] {
            assert_eq!(of(&activity, None), Some(expected), "{activity}");
            assert_eq!(
                of(&json!({}), Some(&activity)),
                Some(expected),
                "{activity}"
            );
        }
    }

    #[test]
    fn whatever_is_unclear_is_direct() {
        let everyone = "https://www.w3.org/ns/activitystreams#Public";
        for activity in [
            json!({"to": [everyone, 5]}),
            json!({"to": {"id": everyone}}),
            json!({"to": [everyone], "cc": 7}),
            json!({"to": ["https://www.w3.org/ns/activitystreams#public"]}),
            json!({"to": [format!("{everyone} ")]}),
            json!({"to": ["https://m.example/users/other/followers"]}),
            json!({"to": [[everyone]]}),
        ] {
            assert_eq!(of(&activity, None), Some(Audience::Direct), "{activity}");
        }
        assert_eq!(of(&json!({}), None), None);
        assert_eq!(of(&json!({"to": null, "cc": null}), Some(&json!({}))), None);
    }

    #[test]
    fn of_two_that_disagree_the_narrower_counts() {
        let public = json!({"to": ["https://www.w3.org/ns/activitystreams#Public"]});
        let followers = json!({"to": [FOLLOWERS]});
        for (a, b) in [(&public, &followers), (&followers, &public)] {
            assert_eq!(of(a, Some(b)), Some(Audience::Followers));
        }
    }
}
