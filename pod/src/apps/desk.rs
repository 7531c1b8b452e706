//! Apps that wait for an answer, and those that are here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use data_encoding::BASE64URL_NOPAD;
use parking_lot::Mutex;
use rhizome_ipld::{Cid, PublicKey, varsig};
use rhizome_share::Predicate;
use rhizome_view::matching;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    AppGrant, AppView, Caller, Doing, Request, Scope, activity::Activity, budget::Budget,
    record::Opens, request::Way,
};
use crate::{
    Pod, PodError, entity,
    home::{now_ms, random_bytes},
};

/// How long a request waits for a person, and an answer for the app.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long a code is good.
const CODE: Duration = Duration::from_mins(2);
/// Requests that wait; of them by programs.
const MAX_WAITING: usize = 64;
const MAX_PROGRAMS: usize = 16;
/// How often a program may ask whether there is an answer.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long what an app sees stays in memory when it asks no more.
const IDLE: Duration = Duration::from_mins(10);
/// Entities that a person is shown of what matches.
const SAMPLE: usize = 5;
/// Milliseconds of a day.
const DAY: i64 = 24 * 3600 * 1000;
/// What the app's key signs before the code.
const PROOF: &str = "rhizome app token v1\n";
/// Letters of codes that people type: none that look alike, and no words.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// A secret that was given to an app. The pod keeps a hash of it.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    fn generate() -> Result<Self, PodError> {
        let mut bytes = Zeroizing::new([0; 32]);
        random_bytes()?(&mut *bytes);
        Ok(Self(Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes))))
    }

    pub fn hash(&self) -> String {
        Self::hash_of(&self.0)
    }

    /// How it is kept. It has 256 bits of entropy, so whoever reads that cannot guess it.
    pub fn hash_of(secret: &str) -> String {
        let hash = blake3::derive_key("rhizome app token at rest v1", secret.as_bytes());
        BASE64URL_NOPAD.encode(&hash)
    }
}

/// What a person decided.
enum Verdict {
    Open,
    Denied,
    Allowed {
        scopes: Vec<Scope>,
        until_ms: Option<i64>,
        at: Instant,
    },
}

struct Waiting {
    id: String,
    request: Request,
    since: Instant,
    asked_ms: i64,
    /// The hash of what the app shows to get its token: the code, or the device code.
    code: Option<String>,
    user_code: Option<String>,
    polled: Option<Instant>,
    verdict: Verdict,
}

impl Waiting {
    fn is_over(&self) -> bool {
        let code = match &self.verdict {
            Verdict::Allowed { at, .. } if self.user_code.is_none() => at.elapsed() > CODE,
            _ => false,
        };
        code || self.since.elapsed() > PATIENCE
    }
}

/// What an app does on this device.
pub(super) struct Here {
    pub budget: Budget,
    pub activity: Activity,
    /// What it sees, and when it asked last.
    pub view: Mutex<Option<(Arc<AppView>, Instant)>>,
    /// Files that it has brought and not named yet.
    pub brought: Mutex<BTreeSet<Cid>>,
}

/// All apps of a pod, on this device.
#[derive(Default)]
pub(crate) struct Desk {
    waiting: Mutex<Vec<Waiting>>,
    /// Codes that were used, and for which grant: who brings one again has stolen it, or has been stolen from.
    spent: Mutex<Vec<(String, String, Instant)>>,
    here: Mutex<BTreeMap<String, Arc<Here>>>,
}

/// A request as a person is to see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked(pub Json);

/// Where the browser is to go after a decision; nowhere if a program asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The address.
    pub redirect: Option<String>,
}

/// What an app is given.
pub struct Token {
    access: Secret,
    blobs: Secret,
    /// What it may do.
    pub grant: AppGrant,
    pod: String,
}

impl Token {
    /// As the app gets it.
    pub fn to_json(&self) -> Json {
        json!({
            "access_token": *self.access.0,
            "token_type": "Bearer",
            "blob_token": *self.blobs.0,
            "grant": self.grant.id,
            "pod": self.pod,
            "scopes": self.grant.scopes.iter().map(Scope::to_json).collect::<Vec<_>>(),
            "until_ms": self.grant.until_ms,
        })
    }
}

/// What an app brings to get its token.
pub(crate) struct Redeem<'r> {
    /// The code, or the device code.
    pub code: &'r str,
    /// The app.
    pub client: &'r str,
    /// Its signature.
    pub proof: &'r str,
    /// Of a page: the verifier and where it was sent back to.
    pub page: Option<(&'r str, &'r str)>,
    /// The origin that the browser says it is.
    pub origin: Option<&'r str>,
}

fn invalid(what: impl Into<String>) -> PodError {
    PodError::Authorization("invalid_grant", what.into())
}

impl Desk {
    /// Ends all that goes on of an app that was sent away.
    pub fn send_away(&self, id: &str) {
        let here = self.here.lock().get(id).cloned();
        let Some(here) = here else { return };
        if let Some((view, _)) = here.view.lock().take() {
            view.send_away();
        }
    }

    fn is_online(&self, id: &str) -> bool {
        let here = self.here.lock().get(id).cloned();
        here.is_some_and(|here| here.view.lock().is_some())
    }

    fn tidy(&self) {
        self.waiting.lock().retain(|one| !one.is_over());
        self.spent.lock().retain(|one| one.2.elapsed() < PATIENCE);
    }

    /// Closes what nobody has asked for in a while.
    fn rest(&self) {
        let all: Vec<Arc<Here>> = self.here.lock().values().cloned().collect();
        for here in all {
            let mut view = here.view.lock();
            let idle = view
                .as_ref()
                .is_some_and(|(view, at)| at.elapsed() > IDLE && Arc::strong_count(view) == 1);
            if idle {
                *view = None;
            }
        }
    }

    fn find<T>(&self, id: &str, f: impl FnOnce(&mut Waiting) -> T) -> Result<T, PodError> {
        self.tidy();
        let mut waiting = self.waiting.lock();
        let one = waiting.iter_mut().find(|one| one.id == id);
        let one = one.filter(|one| matches!(one.verdict, Verdict::Open));
        one.map(f).ok_or_else(|| {
            PodError::Request("nobody waits for this any more: the app has to ask again".into())
        })
    }

    /// Whether a page of this origin waits for its token.
    pub fn awaits(&self, origin: &str) -> bool {
        self.tidy();
        let waiting = self.waiting.lock();
        waiting.iter().any(|one| {
            one.request.origin() == Some(origin) && matches!(one.verdict, Verdict::Allowed { .. })
        })
    }
}

fn random_id() -> Result<String, PodError> {
    let mut bytes = [0; 16];
    random_bytes()?(&mut bytes);
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// Eight letters, each equally likely.
fn user_code() -> Result<String, PodError> {
    let mut out = String::with_capacity(9);
    let mut random = random_bytes()?;
    while out.len() < 9 {
        let mut byte = [0];
        random(&mut byte);
        // 240 is the greatest multiple of 20 that a byte holds
        if byte[0] < 240 {
            if out.len() == 4 {
                out.push('-');
            }
            out.push(char::from(LETTERS[usize::from(byte[0]) % LETTERS.len()]));
        }
    }
    Ok(out)
}

impl Pod {
    /// How many entities match, and some of them.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn preview(&self, predicate: &Predicate) -> Result<Json, PodError> {
        let now = self.replica().snapshot();
        let all = matching(&now, predicate)?;
        let mut sample = Vec::new();
        for id in all.iter().take(SAMPLE) {
            sample.push(json!({ "id": id.to_string(), "state": entity::state(&now, id)? }));
        }
        Ok(json!({ "where": predicate.to_string(), "matches": all.len(), "sample": sample }))
    }

    /// Takes a request that a browser brought, or finds the one with a code that a person typed (`user_code=…`), and says what a person has to know to decide.
    ///
    /// # Errors
    /// [`PodError::Request`], with what is wrong with it.
    pub fn ask_app(&self, query: &str) -> Result<Asked, PodError> {
        let desk = self.desk();
        desk.tidy();
        if let Some(code) = query.strip_prefix("user_code=") {
            let letters = |text: &str| {
                let letters = text.chars().filter(char::is_ascii_alphabetic);
                letters.map(|c| c.to_ascii_uppercase()).collect::<String>()
            };
            let wanted = letters(code);
            let found = {
                let waiting = desk.waiting.lock();
                let found = waiting.iter().find(|one| {
                    matches!(one.verdict, Verdict::Open)
                        && one.user_code.as_deref().map(letters).as_ref() == Some(&wanted)
                });
                found.map(|one| (one.id.clone(), one.request.clone(), one.user_code.clone()))
            };
            let (id, request, code) = found.ok_or_else(|| {
                PodError::Request(
                    "no program waits with this code: look at it again, or let the program ask again".into(),
                )
            })?;
            return self.shown(&id, &request, code.as_deref());
        }
        let request = Request::from_query(query)?;
        let id = {
            let mut waiting = desk.waiting.lock();
            // the page was loaded again
            let same = waiting
                .iter()
                .find(|one| one.request == request && matches!(one.verdict, Verdict::Open));
            if let Some(same) = same {
                same.id.clone()
            } else {
                if waiting.len() >= MAX_WAITING {
                    waiting.remove(0);
                }
                let id = random_id()?;
                waiting.push(Waiting {
                    id: id.clone(),
                    request: request.clone(),
                    since: Instant::now(),
                    asked_ms: now_ms(),
                    code: None,
                    user_code: None,
                    polled: None,
                    verdict: Verdict::Open,
                });
                id
            }
        };
        self.shown(&id, &request, None)
    }

    fn shown(
        &self,
        id: &str,
        request: &Request,
        user_code: Option<&str>,
    ) -> Result<Asked, PodError> {
        let client = request.client.to_did_key();
        let known = self.apps()?.iter().any(|app| {
            app.client == client
                && app.origin.as_deref() == request.origin()
                && app.revoked_ms.is_none()
        });
        let mut scopes = Vec::new();
        for wish in &request.wishes {
            let mut scope = self.preview(&wish.scope.predicate)?;
            scope["can"] = wish.scope.power.to_string().into();
            scope["why"] = wish.why.as_str().into();
            scopes.push(scope);
        }
        let mut out = request.to_json();
        out["request"] = id.into();
        out["user_code"] = user_code.into();
        out["known"] = known.into();
        out["scopes"] = scopes.into();
        Ok(Asked(out))
    }

    /// Lets an app in: for each scope that it asked for, in order, what it is given of it; what it did not ask for is not given, whatever is said here. Says where the browser is to go.
    ///
    /// # Errors
    /// [`PodError::Request`] if nobody waits, or nothing is given.
    pub fn allow_app(
        &self,
        id: &str,
        given: &[Option<Scope>],
        days: Option<u32>,
    ) -> Result<Allowed, PodError> {
        let request = self.desk().find(id, |one| one.request.clone())?;
        if given.len() != request.wishes.len() {
            return Err(PodError::Request(format!(
                "the app asks for {} scopes, not {}",
                request.wishes.len(),
                given.len()
            )));
        }
        let pairs = request.wishes.iter().zip(given);
        let scopes = pairs
            .filter_map(|(wish, given)| {
                let given = given.as_ref()?;
                Some(if given.power > wish.scope.power {
                    Err(PodError::Request(format!(
                        "the app asks to {}, not to {}",
                        wish.scope.power, given.power
                    )))
                } else {
                    wish.scope.narrowed(given)
                })
            })
            .collect::<Result<Vec<Scope>, _>>()?;
        if scopes.is_empty() {
            return Err(PodError::Request(
                "nothing is given: refuse the app instead".into(),
            ));
        }
        let until_ms = match days {
            Some(0) => return Err(PodError::Request("`days` is to be at least 1".into())),
            days => days.map(|days| now_ms().saturating_add(i64::from(days).saturating_mul(DAY))),
        };
        let code = Secret::generate()?;
        self.desk().find(id, |one| {
            one.verdict = Verdict::Allowed {
                scopes,
                until_ms,
                at: Instant::now(),
            };
            if one.code.is_none() {
                one.code = Some(code.hash());
            }
        })?;
        let redirect = request.back(&[("code", &code.0)]);
        Ok(Allowed { redirect })
    }

    /// Refuses an app. Says where the browser is to go.
    ///
    /// # Errors
    /// [`PodError::Request`] if nobody waits.
    pub fn deny_app(&self, id: &str) -> Result<Allowed, PodError> {
        let redirect = self.desk().find(id, |one| {
            one.verdict = Verdict::Denied;
            one.request.back(&[("error", "access_denied")])
        })?;
        if redirect.is_some() {
            self.desk().waiting.lock().retain(|one| one.id != id);
        }
        Ok(Allowed { redirect })
    }

    /// Takes the request of a program without a browser: `{"device_code", "user_code", "expires_in", "interval"}`.
    ///
    /// # Errors
    /// [`PodError::Request`], with what is wrong with it; [`PodError::Quota`] while too many wait.
    pub fn ask_program(&self, body: &[u8]) -> Result<Json, PodError> {
        let request = Request::from_program(body)?;
        let desk = self.desk();
        desk.tidy();
        let (code, user_code) = (Secret::generate()?, user_code()?);
        let mut waiting = desk.waiting.lock();
        let programs = waiting.iter().filter(|one| one.user_code.is_some());
        if programs.count() >= MAX_PROGRAMS {
            return Err(PodError::Quota {
                what: "programs that wait for an answer",
                most: MAX_PROGRAMS as u64,
                seconds: PATIENCE.as_secs(),
            });
        }
        waiting.push(Waiting {
            id: random_id()?,
            request,
            since: Instant::now(),
            asked_ms: now_ms(),
            code: Some(code.hash()),
            user_code: Some(user_code.clone()),
            polled: None,
            verdict: Verdict::Open,
        });
        Ok(json!({
            "device_code": *code.0,
            "user_code": user_code,
            "expires_in": PATIENCE.as_secs(),
            "interval": INTERVAL.as_secs(),
        }))
    }

    /// Gives an app its token for the code that it was given, once.
    ///
    /// # Errors
    /// [`PodError::Authorization`], with the code of OAuth.
    pub(crate) fn redeem(&self, what: &Redeem<'_>) -> Result<Token, PodError> {
        let desk = self.desk();
        let hash = Secret::hash_of(what.code);
        let (request, scopes, until_ms) = {
            let mut waiting = desk.waiting.lock();
            let found = waiting
                .iter()
                .position(|one| one.code.as_ref() == Some(&hash));
            let Some(place) = found else {
                drop(waiting);
                return Err(self.again(&hash));
            };
            let one = &mut waiting[place];
            if one.is_over() {
                waiting.remove(place);
                return Err(PodError::Authorization(
                    "expired_token",
                    "this took too long: ask again".into(),
                ));
            }
            check(one, what)?;
            if what.page.is_none() {
                let early = one.polled.is_some_and(|at| at.elapsed() < INTERVAL);
                one.polled = Some(Instant::now());
                if early && matches!(one.verdict, Verdict::Open) {
                    return Err(PodError::Authorization(
                        "slow_down",
                        format!("ask every {} seconds", INTERVAL.as_secs()),
                    ));
                }
            }
            match &one.verdict {
                Verdict::Open => {
                    return Err(PodError::Authorization(
                        "authorization_pending",
                        "nobody has decided yet".into(),
                    ));
                }
                Verdict::Denied => {
                    waiting.remove(place);
                    return Err(PodError::Authorization(
                        "access_denied",
                        "the owner of the pod refused".into(),
                    ));
                }
                Verdict::Allowed { .. } => (),
            }
            let one = waiting.remove(place);
            let Verdict::Allowed {
                scopes, until_ms, ..
            } = one.verdict
            else {
                return Err(invalid("there is no such code"));
            };
            (one.request, scopes, until_ms)
        };
        let (access, blobs) = (Secret::generate()?, Secret::generate()?);
        let old = self.apps()?;
        let grant = self.note_app(&request, &scopes, until_ms, [&access, &blobs])?;
        for old in old {
            if old.is_good() && old.client == grant.client && old.origin == grant.origin {
                self.send_away(&old.id);
            }
        }
        desk.spent
            .lock()
            .push((hash, grant.id.clone(), Instant::now()));
        self.here(&grant.id).activity.note(Doing::Came, None);
        Ok(Token {
            access,
            blobs,
            grant,
            pod: self.did().to_owned(),
        })
    }

    /// A code that nobody waits with. If it was used before, one of the two who have it is a thief: whoever came first loses what he got.
    fn again(&self, hash: &str) -> PodError {
        let spent = {
            let spent = self.desk().spent.lock();
            let found = spent.iter().find(|one| one.0 == hash);
            found.map(|one| one.1.clone())
        };
        if let Some(id) = spent {
            if let Err(error) = self.revoke_app(&id) {
                tracing::warn!(%error, "an app whose code was used twice was not sent away");
            }
            return invalid("this code was used before: what it gave was taken back");
        }
        invalid("there is no such code")
    }

    /// Ends all that goes on of an app, and notes it.
    pub(super) fn send_away(&self, id: &str) {
        self.desk().send_away(id);
        self.here(id).activity.note(Doing::Left, None);
    }

    fn here(&self, id: &str) -> Arc<Here> {
        let mut all = self.desk().here.lock();
        let directory = self.home().directory().join("apps");
        let here = all.entry(id.to_owned()).or_insert_with(|| {
            Arc::new(Here {
                budget: Budget::default(),
                activity: Activity::open(&directory, id),
                view: Mutex::default(),
                brought: Mutex::default(),
            })
        });
        Arc::clone(here)
    }

    /// The app of a token.
    pub(crate) fn caller(
        self: &Arc<Self>,
        token: &str,
        opens: Opens,
    ) -> Result<Option<Caller>, PodError> {
        self.desk().rest();
        let grant = self.app_of(token, opens)?;
        Ok(grant.map(|grant| Caller::new(self, self.here(&grant.id), grant)))
    }

    /// Whether an app of this origin was let in, or waits for its token.
    pub(crate) fn knows_origin(&self, origin: &str) -> Result<bool, PodError> {
        if self.desk().awaits(origin) {
            return Ok(true);
        }
        let all = self.apps()?;
        Ok(all
            .iter()
            .any(|app| app.origin.as_deref() == Some(origin) && app.is_good()))
    }

    /// Apps with what they did, and those that wait.
    ///
    /// # Errors
    /// Those of reading the pod.
    pub fn apps_json(&self) -> Result<Json, PodError> {
        let desk = self.desk();
        desk.tidy();
        let mut apps = Vec::new();
        for app in self.apps()? {
            let here = self.here(&app.id);
            let mut json = app.to_json();
            json["last_ms"] = here.activity.last_ms().into();
            json["online"] = (app.is_good() && desk.is_online(&app.id)).into();
            json["quota"] = here.budget.to_json();
            apps.push(json);
        }
        let waiting = desk.waiting.lock();
        let waiting = waiting
            .iter()
            .filter(|one| one.user_code.is_some() && matches!(one.verdict, Verdict::Open));
        let waiting: Vec<Json> = waiting
            .map(|one| {
                json!({
                    "request": one.id,
                    "name": one.request.name,
                    "user_code": one.user_code,
                    "asked_ms": one.asked_ms,
                })
            })
            .collect();
        Ok(json!({ "apps": apps, "waiting": waiting }))
    }

    /// What an app did on this device, the newest first.
    ///
    /// # Errors
    /// [`PodError::Request`] if there is no such app.
    pub fn app_activity(&self, id: &str) -> Result<Json, PodError> {
        let known = self.apps()?.iter().any(|app| app.id == id);
        if !known {
            return Err(PodError::Request(format!("there is no app {id}")));
        }
        Ok(json!({ "activity": self.here(id).activity.to_json() }))
    }
}

/// Whether who brings a code is the one that it was made for.
fn check(one: &Waiting, what: &Redeem<'_>) -> Result<(), PodError> {
    if what.client != one.request.client.to_did_key() {
        return Err(invalid("this code is for another app"));
    }
    match (&one.request.way, what.page) {
        (
            Way::Page {
                redirect,
                origin,
                challenge,
                ..
            },
            Some((verifier, shown)),
        ) => {
            if what.origin.is_some_and(|from| from != origin) {
                return Err(invalid("this code is for a page of another origin"));
            }
            if shown != redirect {
                return Err(invalid("`redirect_uri` is another one than was asked with"));
            }
            let hash = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
            if verifier.len() < 43 || verifier.len() > 128 || hash != *challenge {
                return Err(invalid("`code_verifier` does not fit what was asked with"));
            }
        }
        (Way::Program, None) => {
            if what.origin.is_some() {
                return Err(invalid("this code is for a program, not for a page"));
            }
        }
        _ => return Err(invalid("this code is of another kind")),
    }
    let message = format!("{PROOF}{}", what.code);
    if !signed(&one.request.client, message.as_bytes(), what.proof) {
        return Err(invalid("`proof` is not signed by the key of the app"));
    }
    Ok(())
}

fn signed(key: &PublicKey, message: &[u8], proof: &str) -> bool {
    let bytes = BASE64URL_NOPAD.decode(proof.as_bytes()).ok();
    let signature = bytes.and_then(|bytes| bytes.try_into().ok());
    signature.is_some_and(|signature| varsig::verify(key, message, &signature))
}

#[cfg(test)]
mod tests {
    use rhizome_ipld::SigningKey;

    use super::*;
    use crate::{App, Opening, PodHome, json::parse_changes};

    /// What was under way when an app was sent away does not happen.
    #[test]
    fn who_was_sent_away_meanwhile_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let pod = PodHome::at(dir.path()).init(&Opening::by("test")).unwrap();
        let pod = Arc::new(pod);
        let key = SigningKey::from_seed([1; 32]);
        let client = key.public().to_did_key();
        let scope = json!([{ "where": "a: 1", "can": "write" }]);
        let body = json!({ "client_id": client, "name": "an app", "scope": scope });
        let asked = pod.ask_program(body.to_string().as_bytes()).unwrap();
        let text = |name: &str| asked[name].as_str().unwrap();
        let shown = pod.ask_app(&format!("user_code={}", text("user_code")));
        let request = shown.unwrap().0["request"].as_str().unwrap().to_owned();
        let scope = Scope::parse("a: 1", "write").unwrap();
        pod.allow_app(&request, &[Some(scope)], None).unwrap();
        let code = text("device_code");
        let proof = key.sign(format!("{PROOF}{code}").as_bytes());
        let token = pod
            .redeem(&Redeem {
                code,
                client: &client,
                proof: &BASE64URL_NOPAD.encode(&proof),
                page: None,
                origin: None,
            })
            .unwrap();
        let caller = pod.caller(&token.access.0, Opens::Api).unwrap().unwrap();
        let set = json!([{ "assert": { "entity": "_:e", "attribute": "a", "value": 1 } }]);
        let changes = parse_changes(&set).unwrap();
        let done = caller.transact(&changes, 10).unwrap();
        assert_eq!(done.added, 1);
        pod.revoke_app(&token.grant.id).unwrap();
        let before = pod.replica().snapshot().commit_count();
        let refused = caller.transact(&changes, 10);
        assert!(
            matches!(refused, Err(PodError::NotGranted(_))),
            "{refused:?}"
        );
        assert_eq!(pod.replica().snapshot().commit_count(), before);
        // nor is it let in again by what it had
        assert!(pod.caller(&token.access.0, Opens::Api).unwrap().is_none());
        pod.transact(App::CommandLine, &changes).unwrap();
    }
}
