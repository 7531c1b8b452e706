//! What the pod says of the apps that were let in: tuples, so every device of the person knows, and any of them can take it back.

use rhizome_capability::{Delegation, Device, Principal};
use rhizome_ipld::PublicKey;
use rhizome_replica::{Edit, Snapshot, key};
use rhizome_tuple::{EntityId, Value};
use rhizome_view::ViewError;
use serde_json::{Value as Json, json};

use super::{Request, Scope, desk::Secret};
use crate::{
    Pod, PodError,
    home::{now_ms, random_bytes},
    sharing::records as r,
};

const ID: &str = "app-grant/id";
const CLIENT: &str = "app-grant/client";
const NAME: &str = "app-grant/name";
const ORIGIN: &str = "app-grant/origin";
const SCOPE: &str = "app-grant/scope";
const DELEGATION: &str = "app-grant/delegation";
const GIVEN: &str = "app-grant/given";
const UNTIL: &str = "app-grant/until";
const REVOKED: &str = "app-grant/revoked";
const TOKEN: &str = "app-grant/token";
const BLOB_TOKEN: &str = "app-grant/blob-token";

/// An app that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppGrant {
    /// Its name: the CID of its first delegation.
    pub id: String,
    /// The app: a did:key.
    pub client: String,
    /// What it calls itself.
    pub name: String,
    /// The origin of its page; none if it is a program.
    pub origin: Option<String>,
    /// What it may do with what, in order.
    pub scopes: Vec<Scope>,
    /// When it was let in, in milliseconds since 1970.
    pub given_ms: i64,
    /// Until when, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// When it was sent away, in milliseconds since 1970.
    pub revoked_ms: Option<i64>,
    pub(super) entity: EntityId,
}

impl AppGrant {
    /// Whether it counts.
    pub fn is_good(&self) -> bool {
        self.revoked_ms.is_none() && self.until_ms.is_none_or(|until| now_ms() < until)
    }

    /// As commands and the API print it.
    pub fn to_json(&self) -> Json {
        json!({
            "id": self.id,
            "client_id": self.client,
            "name": self.name,
            "origin": self.origin,
            "scopes": self.scopes.iter().map(Scope::to_json).collect::<Vec<_>>(),
            "given_ms": self.given_ms,
            "until_ms": self.until_ms,
            "revoked_ms": self.revoked_ms,
        })
    }

    /// What its commits are known under in the pod.
    pub(super) fn process(&self) -> String {
        let tail = self.client.len().saturating_sub(8);
        format!(
            "{} (app {})",
            self.name,
            self.client.get(tail..).unwrap_or_default()
        )
    }

    pub(super) fn read(now: &Snapshot, entity: EntityId) -> Option<Self> {
        let text = |name: &str| r::text(now, &entity, name);
        let scopes = r::texts(now, &entity, SCOPE);
        let scopes = scopes.iter().filter_map(|text| {
            let json: Json = serde_json::from_str(text).ok()?;
            let part = |name: &str| json.get(name)?.as_str();
            Scope::parse(part("where")?, part("can")?).ok()
        });
        Some(Self {
            id: text(ID)?,
            client: text(CLIENT)?,
            name: text(NAME)?,
            origin: text(ORIGIN),
            scopes: scopes.collect(),
            given_ms: r::time(now, &entity, GIVEN)?,
            until_ms: r::time(now, &entity, UNTIL),
            revoked_ms: r::time(now, &entity, REVOKED),
            entity,
        })
    }
}

/// What a secret opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opens {
    /// The API.
    Api,
    /// Files, as an address.
    Blobs,
}

impl Pod {
    /// The apps that were let in, those that were sent away with them, the newest first.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn apps(&self) -> Result<Vec<AppGrant>, PodError> {
        let now = self.replica().snapshot();
        let all = r::with(&now, ID).into_iter();
        let mut all: Vec<_> = all.filter_map(|e| AppGrant::read(&now, e)).collect();
        now.fault()?;
        all.sort_by(|a, b| (b.given_ms, &b.id).cmp(&(a.given_ms, &a.id)));
        Ok(all)
    }

    /// The app that a secret was given to, if it still counts.
    pub(crate) fn app_of(&self, secret: &str, opens: Opens) -> Result<Option<AppGrant>, PodError> {
        let now = self.replica().snapshot();
        let name = match opens {
            Opens::Api => TOKEN,
            Opens::Blobs => BLOB_TOKEN,
        };
        let hash = Value::Text(Secret::hash_of(secret));
        let (Some(a), Some(word)) = (now.aid(name), now.word(&hash)) else {
            return Ok(None);
        };
        let (lo, hi) = key::ave_av(a, word);
        let found = now.ave().range(lo, hi).map(|k| key::un_ave(k).e);
        let mut found = found
            .filter_map(|e| AppGrant::read(&now, now.entity_id(e)?))
            .filter(AppGrant::is_good);
        let grant = found.next();
        now.fault()?;
        Ok(grant)
    }

    /// Notes that an app is let in. Others of the same app and origin count no longer.
    pub(super) fn note_app(
        &self,
        request: &Request,
        scopes: &[Scope],
        until_ms: Option<i64>,
        [token, blobs]: [&Secret; 2],
    ) -> Result<AppGrant, PodError> {
        let delegations = self.delegate_to(&request.client, scopes, until_ms)?;
        let first = delegations
            .first()
            .ok_or_else(|| PodError::Request("nothing is given".into()))?;
        let id = first.cid().to_string();
        let client = request.client.to_did_key();
        let (entity, nonce) = r::named(self.did(), "app-grant", &id);
        let mut edits = Vec::new();
        for old in self.apps()? {
            let same = old.client == client && old.origin.as_deref() == request.origin();
            if same && old.revoked_ms.is_none() {
                edits.extend(revoked(&old)?);
            }
        }
        edits.push(Edit::Create(entity, nonce));
        let mut set = |name: &str, value: Value| {
            edits.push(Edit::Assert(entity, r::attribute(name)?, value));
            Ok::<_, PodError>(())
        };
        set("rhizome/type", "app-grant".into())?;
        set(ID, id.as_str().into())?;
        set(CLIENT, client.as_str().into())?;
        set(NAME, request.name.as_str().into())?;
        if let Some(origin) = request.origin() {
            set(ORIGIN, origin.into())?;
        }
        set(GIVEN, Value::Time(now_ms()))?;
        if let Some(until) = until_ms {
            set(UNTIL, Value::Time(until))?;
        }
        set(TOKEN, Value::Text(token.hash()))?;
        set(BLOB_TOKEN, Value::Text(blobs.hash()))?;
        for (scope, delegation) in scopes.iter().zip(&delegations) {
            let text = scope.to_json().to_string();
            let scope = r::attribute(SCOPE)?;
            edits.push(Edit::Insert(entity, scope, Value::Text(text)));
            let bytes = Value::Bytes(delegation.bytes().to_vec());
            edits.push(Edit::Insert(entity, r::attribute(DELEGATION)?, bytes));
        }
        self.write_own(edits)?;
        let now = self.replica().snapshot();
        AppGrant::read(&now, entity)
            .ok_or_else(|| PodError::Request("the grant was erased just now".into()))
    }

    fn delegate_to(
        &self,
        client: &PublicKey,
        scopes: &[Scope],
        until_ms: Option<i64>,
    ) -> Result<Vec<Delegation>, PodError> {
        let key = self.signing_key();
        let own: Principal = self.did().parse().map_err(ViewError::from)?;
        let device = Device::new(&own, &key).map_err(ViewError::from)?;
        let mut random = random_bytes()?;
        let one = |scope: &Scope| {
            let command = scope.power.command().parse().map_err(ViewError::from)?;
            let policy = scope.predicate.to_policy();
            let policy = policy.map_err(|error| PodError::Request(error.to_string()))?;
            let mut grant = Delegation::to(Principal::of(client), command)
                .subject(own.clone())
                .policy(policy);
            if let Some(until) = until_ms {
                grant = grant.expires(until.max(0).unsigned_abs() / 1000);
            }
            let mut nonce = [0; 12];
            random(&mut nonce);
            Ok(grant.sign(&device, &nonce).map_err(ViewError::from)?)
        };
        scopes.iter().map(one).collect()
    }

    /// Sends an app away, at once and on every device that hears of it: its tokens open nothing any more.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such app.
    pub fn revoke_app(&self, id: &str) -> Result<AppGrant, PodError> {
        let open = |app: &AppGrant| app.revoked_ms.is_none();
        let app = r::by_name(self.apps()?, "app", id, |app| &app.id, open)?;
        if app.revoked_ms.is_none() {
            self.write_own(revoked(&app)?)?;
            self.send_away(&app.id);
        }
        let now = self.replica().snapshot();
        Ok(AppGrant::read(&now, app.entity).unwrap_or(app))
    }
}

fn revoked(app: &AppGrant) -> Result<Vec<Edit>, PodError> {
    let gone = |name: &str| Ok::<_, PodError>(Edit::Retract(app.entity, r::attribute(name)?, None));
    Ok(vec![
        Edit::Assert(app.entity, r::attribute(REVOKED)?, Value::Time(now_ms())),
        gone(TOKEN)?,
        gone(BLOB_TOKEN)?,
    ])
}
