//! Conversations and messages, for every importer of a service that carries them. All of it is direct.

use rhizome_tuple::{EntityId, Value};

use crate::audience::Audience;
use crate::facts::Facts;
use crate::record::Record;
use crate::vocabulary::names;

names! {
    /// Attributes of `org.rhizome.message/1`, and who may see them.
    pub struct ChatNames {
        attachment: "message/attachment",
        audience: "social/audience",
        conversation: "message/conversation",
        edited: "message/edited",
        forwarded_from: "message/forwarded-from",
        link: "message/link",
        notice: "message/notice",
        participant: "message/participant",
        reaction: "message/reaction",
        reply_to: "message/reply-to",
        sender: "message/sender",
        sent: "message/sent",
        service: "message/service",
        text: "message/text",
        title: "message/title",
        r#type: "message/type",
    }
}

/// What an export says of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Conversation<'a> {
    pub service: &'static str,
    pub title: Option<&'a str>,
    pub participants: Vec<String>,
    /// Whether these are all who take part, or those who wrote what this export holds.
    pub whole: bool,
}

/// What an export says of a message.
#[derive(Clone, Debug, Default)]
pub struct Message<'a> {
    pub sender: Option<&'a str>,
    /// Milliseconds since 1970.
    pub sent: Option<i64>,
    pub edited: Option<i64>,
    pub text: Option<&'a str>,
    pub attachments: Vec<Value>,
    pub links: Vec<String>,
    pub reactions: Vec<String>,
    pub reply_to: Option<EntityId>,
    pub forwarded_from: Option<&'a str>,
    pub notice: bool,
}

impl Conversation<'_> {
    /// Its record.
    pub fn record(self, names: &ChatNames, key: String) -> Record {
        let mut facts = Facts::default();
        facts.one(&names.r#type, "conversation");
        facts.one(&names.audience, Audience::Direct.as_str());
        facts.one(&names.service, self.service);
        facts.maybe(&names.title, self.title.filter(|title| !title.is_empty()));
        facts.0.push(crate::record::Fact::Members {
            attribute: names.participant.clone(),
            values: self.participants.into_iter().map(Value::from).collect(),
            whole: self.whole,
        });
        facts.record("conversation", key, None, Some(Audience::Direct))
    }
}

impl Message<'_> {
    /// Its record, in a conversation.
    pub fn record(self, names: &ChatNames, key: String, conversation: EntityId) -> Record {
        let mut facts = Facts::default();
        facts.one(&names.r#type, "message");
        facts.one(&names.audience, Audience::Direct.as_str());
        facts.one(&names.conversation, conversation);
        facts.maybe(&names.sender, self.sender.filter(|who| !who.is_empty()));
        facts.maybe(&names.sent, self.sent.map(Value::Time));
        facts.maybe(&names.edited, self.edited.map(Value::Time));
        facts.or_empty(&names.text, self.text.filter(|text| !text.is_empty()));
        facts.list(&names.attachment, self.attachments);
        let texts = |of: Vec<String>| of.into_iter().map(Value::from).collect();
        facts.set(&names.link, texts(self.links));
        facts.set(&names.reaction, texts(self.reactions));
        facts.maybe(&names.reply_to, self.reply_to);
        facts.maybe(&names.forwarded_from, self.forwarded_from);
        if self.notice {
            facts.one(&names.notice, true);
        }
        facts.record("message", key, self.sent, Some(Audience::Direct))
    }
}

/// Numbers what is otherwise the same, in the order it comes: services whose exports have no ids of messages are told
/// apart by what a message says, and one may be sent twice in a minute.
#[derive(Default)]
pub struct Repeats(rustc_hash::FxHashMap<[u8; 16], u32>);

impl Repeats {
    /// A native id of 32 hexadecimal digits from what never changes of a message, with a number where it came before.
    pub fn key(&mut self, parts: &[&str]) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("rhizome import message v1");
        for part in parts {
            hasher
                .update(&(part.len() as u64).to_le_bytes())
                .update(part.as_bytes());
        }
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        let seen = self.0.entry(id).or_default();
        *seen += 1;
        let hex = data_encoding::HEXLOWER.encode(&id);
        match *seen {
            1 => hex,
            n => format!("{hex}-{n}"),
        }
    }
}
