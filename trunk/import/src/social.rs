//! The attributes of profiles and posts, for every importer of a social platform.

use crate::audience::Audience;
use crate::facts::Facts;

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.social/1`, made once.
    pub struct Names {
        alias: "social/alias",
        alt: "social/alt",
        audience: "social/audience",
        author: "social/author",
        avatar: "social/avatar",
        bio: "social/bio",
        bio_html: "social/bio-html",
        blob: "social/blob",
        blurhash: "social/blurhash",
        bookmark_of: "social/bookmark-of",
        bookmark_of_url: "social/bookmark-of-url",
        boost_of: "social/boost-of",
        boost_of_url: "social/boost-of-url",
        created: "social/created",
        emoji: "social/emoji",
        field: "social/field",
        focal_x: "social/focal-x",
        focal_y: "social/focal-y",
        follow_of_url: "social/follow-of-url",
        handle: "social/handle",
        header: "social/header",
        height: "social/height",
        html: "social/html",
        is_photo: "is-photo",
        language: "social/language",
        like_of: "social/like-of",
        like_of_url: "social/like-of-url",
        link: "social/link",
        link_description: "social/link-description",
        link_title: "social/link-title",
        media: "social/media",
        mention: "social/mention",
        mime: "social/mime",
        name: "social/name",
        poll: "social/poll",
        poll_closes: "social/poll-closes",
        poll_multiple: "social/poll-multiple",
        poll_voters: "social/poll-voters",
        quote_of: "social/quote-of",
        quote_of_url: "social/quote-of-url",
        reply_to: "social/reply-to",
        reply_to_url: "social/reply-to-url",
        sensitive: "social/sensitive",
        summary: "social/summary",
        tag: "social/tag",
        text: "social/text",
        title: "social/title",
        r#type: "social/type",
        updated: "social/updated",
        url: "social/url",
        votes: "social/votes",
        width: "social/width",
    }
}

/// The first facts of anything social: what it is and who may see it.
pub fn social(kind: &'static str, audience: Audience, names: &Names) -> Facts {
    let mut facts = Facts::default();
    facts.one(&names.r#type, kind);
    facts.one(&names.audience, audience.as_str());
    facts
}
