//! The attributes that feeds fill.

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.feed/1`, made once.
    pub struct Names {
        author: "feed/author",
        category: "feed/category",
        description: "feed/description",
        enclosure: "feed/enclosure",
        entry_id: "feed/entry-id",
        html: "feed/html",
        language: "feed/language",
        link: "feed/link",
        of: "feed/of",
        published: "feed/published",
        site: "feed/site",
        text: "feed/text",
        title: "feed/title",
        r#type: "feed/type",
        updated: "feed/updated",
        url: "feed/url",
    }
}
