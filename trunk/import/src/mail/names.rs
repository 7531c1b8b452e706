//! The attributes that a mail fills.

crate::vocabulary::names! {
    /// Attributes of `org.rhizome.mail/1`, made once.
    pub struct Names {
        attachment: "mail/attachment",
        bcc: "mail/bcc",
        blob: "mail/blob",
        bytes: "mail/bytes",
        cc: "mail/cc",
        content_id: "mail/content-id",
        flag: "mail/flag",
        from: "mail/from",
        from_address: "mail/from-address",
        html: "mail/html",
        in_reply_to: "mail/in-reply-to",
        label: "mail/label",
        list: "mail/list",
        mailbox: "mail/mailbox",
        message_id: "mail/message-id",
        mime: "mail/mime",
        name: "mail/name",
        of: "mail/of",
        participant: "mail/participant",
        reference: "mail/reference",
        reply_of: "mail/reply-of",
        reply_to: "mail/reply-to",
        sender: "mail/sender",
        sent: "mail/sent",
        subject: "mail/subject",
        text: "mail/text",
        thread: "mail/thread",
        to: "mail/to",
        r#type: "mail/type",
    }
}
