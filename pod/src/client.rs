//! Talks to the node that holds a pod: what commands use when `rhizome up` is running.

use std::{
    io::{BufReader, Write},
    path::Path,
    time::Duration,
};

use serde_json::{Value as Json, json};

use crate::{
    ExportFormat, PodError, PodHome, Running, Search,
    http::{MAX_QUERY_BODY, MAX_TX_BODY},
};

/// Bytes of an answer.
const MAX_ANSWER: u64 = 4 << 30;
/// How long a node may take to answer the first question.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a running node, over HTTP on loopback. Blocking.
pub struct Client {
    agent: ureq::Agent,
    running: Running,
}

impl Client {
    /// The node that runs the pod in `home`, if one does. A `running.json` of a node that has died counts as none.
    pub fn connect(home: &PodHome) -> Option<Self> {
        let client = Self::new(home.running()?);
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .timeout_global(Some(PATIENCE))
                .proxy(None)
                .http_status_as_error(false)
                .build(),
        );
        let probe = Self {
            agent,
            running: client.running.clone(),
        };
        probe.status().ok().map(|_| client)
    }

    /// A node at a known address.
    pub fn new(running: Running) -> Self {
        // a node closes a connection whose last request it answered before all of it had come: the next one would find that out
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .max_idle_connections(0)
            .http_status_as_error(false)
            .build();
        Self {
            agent: ureq::Agent::new_with_config(config),
            running,
        }
    }

    /// Where the node answers.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The pod in figures; see `docs/api.md`.
    pub fn status(&self) -> Result<Json, PodError> {
        self.get("/status")
    }

    /// A query: its text, or IQL as an object. The answer is that of [`crate::Pod::query`].
    pub fn query(&self, q: &Json, inputs: &[Json]) -> Result<Json, PodError> {
        self.ask(&json!({ "q": q, "inputs": inputs }))
    }

    /// As [`Self::query`], of what somebody shares: a DID, or `all`.
    pub fn query_shared(&self, pod: &str, q: &Json, inputs: &[Json]) -> Result<Json, PodError> {
        self.ask(&json!({ "q": q, "inputs": inputs, "pod": pod }))
    }

    /// As [`Self::query`], of a draft.
    pub fn query_draft(&self, name: &str, q: &Json, inputs: &[Json]) -> Result<Json, PodError> {
        self.ask(&json!({ "q": q, "inputs": inputs, "draft": name }))
    }

    /// As [`Self::query`], of the pod as it was.
    pub fn query_as_of(&self, ms: i64, q: &Json, inputs: &[Json]) -> Result<Json, PodError> {
        self.ask(&json!({ "q": q, "inputs": inputs, "as_of": ms }))
    }

    /// The newest commits.
    pub fn commits(&self, limit: usize) -> Result<Json, PodError> {
        self.get(&format!("/commits?limit={limit}"))
    }

    /// Takes back what one commit said.
    pub fn undo(&self, commit: &str) -> Result<Json, PodError> {
        self.post("/undo", &json!({ "commit": commit }))
    }

    fn ask(&self, body: &Json) -> Result<Json, PodError> {
        let mut answer = self.post("/query", body)?;
        if let Some(members) = answer.as_object_mut() {
            members.shift_remove("took_us");
            if let Some(nested) = members.shift_remove("result") {
                return Ok(nested);
            }
        }
        Ok(answer)
    }

    /// Looks for words. The answer is that of [`crate::Pod::search`].
    pub fn search(&self, search: &Search) -> Result<Json, PodError> {
        let body = json!({
            "q": search.q,
            "attributes": search.attributes,
            "type": search.kind,
            "limit": search.limit,
            "pod": search.pod,
        });
        let mut answer = self.post("/search", &body)?;
        if let Some(members) = answer.as_object_mut() {
            members.shift_remove("took_us");
        }
        Ok(answer)
    }

    /// A transaction: `{"commit", "entities", "added", "removed"}`.
    pub fn transact(&self, changes: &Json) -> Result<Json, PodError> {
        self.post("/tx", changes)
    }

    /// As [`Self::transact`], in what somebody shares.
    pub fn transact_shared(&self, pod: &str, changes: &Json) -> Result<Json, PodError> {
        self.post(&format!("/tx?pod={pod}"), changes)
    }

    /// Shares something: see `docs/api.md`.
    pub fn grant(&self, terms: &Json) -> Result<Json, PodError> {
        self.post("/grants", terms)
    }

    /// What was given.
    pub fn grants(&self) -> Result<Json, PodError> {
        self.get("/grants")
    }

    /// Takes a grant back.
    pub fn revoke(&self, grant: &str) -> Result<Json, PodError> {
        self.post("/grants/revoke", &json!({ "grant": grant }))
    }

    /// Takes what somebody shares.
    pub fn accept(&self, invite: &str) -> Result<Json, PodError> {
        self.post("/accept", &json!({ "invite": invite }))
    }

    /// What others share.
    pub fn shared(&self) -> Result<Json, PodError> {
        self.get("/shared")
    }

    /// Follows what somebody makes public.
    pub fn follow(&self, did: &str, at: Option<&str>) -> Result<Json, PodError> {
        self.post("/follow", &json!({ "did": did, "at": at }))
    }

    /// Follows somebody no longer.
    pub fn unfollow(&self, did: &str) -> Result<Json, PodError> {
        self.post("/unfollow", &json!({ "did": did }))
    }

    /// The newest posts of those who are followed.
    pub fn timeline(&self, limit: usize) -> Result<Json, PodError> {
        self.get(&format!("/timeline?limit={limit}"))
    }

    /// What is followed.
    pub fn following(&self) -> Result<Json, PodError> {
        self.get("/following")
    }

    /// The groups that the person is in.
    pub fn groups(&self) -> Result<Json, PodError> {
        self.get("/groups")
    }

    /// Makes a group.
    pub fn create_group(&self, name: &str) -> Result<Json, PodError> {
        self.post("/groups", &json!({ "name": name }))
    }

    /// Invites somebody to a group.
    pub fn invite_to_group(&self, group: &str, to: &str, role: &str) -> Result<Json, PodError> {
        let body = json!({ "group": group, "to": to, "as": role });
        self.post("/groups/invite", &body)
    }

    /// Takes somebody out of a group.
    pub fn remove_from_group(&self, group: &str, member: &str) -> Result<Json, PodError> {
        let body = json!({ "group": group, "member": member });
        self.post("/groups/remove", &body)
    }

    /// Leaves a group.
    pub fn leave_group(&self, group: &str) -> Result<Json, PodError> {
        self.post("/groups/leave", &json!({ "group": group }))
    }

    /// Forgets something that somebody shares.
    pub fn forget_shared(&self, view: &str) -> Result<Json, PodError> {
        self.post("/shared/forget", &json!({ "view": view }))
    }

    /// What others would like to be changed.
    pub fn proposals(&self) -> Result<Json, PodError> {
        self.get("/proposals")
    }

    /// Adopts a proposal, or one entity of it, or declines it.
    pub fn decide(&self, id: &str, adopt: bool, entity: Option<&str>) -> Result<Json, PodError> {
        let body = json!({ "id": id, "adopt": adopt, "entity": entity });
        self.post("/proposals", &body)
    }

    /// Says something about a proposal.
    pub fn comment(&self, id: &str, text: &str) -> Result<Json, PodError> {
        self.post("/proposals/comment", &json!({ "id": id, "text": text }))
    }

    /// Proposes changes to somebody.
    pub fn propose(&self, to: &str, changes: &Json, comment: &str) -> Result<Json, PodError> {
        let body = json!({ "to": to, "changes": changes, "comment": comment });
        self.post("/propose", &body)
    }

    /// The drafts.
    pub fn drafts(&self) -> Result<Json, PodError> {
        self.get("/drafts")
    }

    /// Begins a draft: of this pod, or of what somebody shares.
    pub fn new_draft(&self, name: &str, of: Option<&str>) -> Result<Json, PodError> {
        self.post("/drafts", &json!({ "name": name, "of": of }))
    }

    /// What is done with a draft: `tx`, `diff`, `adopt`, `undo`, `propose` or `drop`. The body names it.
    pub fn on_draft(&self, what: &str, body: &Json) -> Result<Json, PodError> {
        self.post(&format!("/drafts/{what}"), body)
    }

    /// All about one entity.
    pub fn entity(&self, id: &str) -> Result<Json, PodError> {
        self.get(&format!("/entity/{id}"))
    }

    /// Starts an import of a path on the node's machine, which is this one. Returns the job.
    pub fn import(
        &self,
        path: &Path,
        mapping: Option<&Path>,
        importer: Option<&str>,
        dry_run: bool,
    ) -> Result<Json, PodError> {
        let whole = |path: &Path| {
            std::path::absolute(path)
                .map_err(|e| PodError::file(path, e))
                .map(|p| p.display().to_string())
        };
        let body = json!({ "path": whole(path)?, "mapping": mapping.map(whole).transpose()?, "importer": importer });
        self.post(
            if dry_run {
                "/import?dry-run"
            } else {
                "/import"
            },
            &body,
        )
    }

    /// How far an import is.
    pub fn import_job(&self, job: &str) -> Result<Json, PodError> {
        self.get(&format!("/import/{job}"))
    }

    /// Runs an import that was looked at.
    pub fn import_run(&self, job: &str) -> Result<Json, PodError> {
        self.post(&format!("/import/{job}"), &json!({}))
    }

    /// Stops and forgets an import.
    pub fn import_remove(&self, job: &str) -> Result<Json, PodError> {
        self.delete(&format!("/import/{job}"))
    }

    /// Writes everything to `out`; what it was is as [`crate::Exported`] says.
    pub fn export(&self, format: ExportFormat, out: &mut dyn Write) -> Result<Json, PodError> {
        let asked = self.post("/export", &json!({ "format": format }))?;
        let id = asked["export"].as_str().unwrap_or_default();
        let unreachable = |why: &dyn std::fmt::Display| PodError::Remote {
            code: "export".into(),
            message: format!("the export broke off ({why}): what was written of it is no export"),
            position: None,
        };
        let mut response = self
            .agent
            .get(self.url(&format!("/export/{id}/file")))
            .call()
            .map_err(|error| unreachable(&error))?;
        if !response.status().is_success() {
            return Err(unreachable(&response.status()));
        }
        let mut reader = response.body_mut().with_config().limit(u64::MAX).reader();
        std::io::copy(&mut reader, out).map_err(|error| unreachable(&error))?;
        let ended = self.get(&format!("/export/{id}"))?;
        match ended["state"].as_str() {
            Some("done") => Ok(ended["exported"].clone()),
            _ => Err(unreachable(&ended["error"])),
        }
    }

    /// Removes files that nothing has named for so many days.
    pub fn collect_garbage(&self, days: u32, dry_run: bool) -> Result<Json, PodError> {
        self.post("/gc", &json!({ "days": days, "dry_run": dry_run }))
    }

    /// Makes a backup, and remembers where and how often.
    pub fn backup(
        &self,
        directory: Option<&Path>,
        hours: Option<u32>,
        verify: bool,
    ) -> Result<Json, PodError> {
        let whole = directory
            .map(|path| std::path::absolute(path).map_err(|error| PodError::file(path, error)));
        let body = json!({ "directory": whole.transpose()?, "hours": hours, "verify": verify });
        self.post("/backup", &body)
    }

    /// Where backups go, and how the last one went.
    pub fn backup_state(&self) -> Result<Json, PodError> {
        self.get("/backup")
    }

    /// Makes no backups by itself any more.
    pub fn forget_backup(&self) -> Result<Json, PodError> {
        self.delete("/backup")
    }

    /// Verifies everything; see [`crate::Diagnosis`].
    pub fn doctor(&self) -> Result<Json, PodError> {
        self.post("/doctor", &json!({}))
    }

    /// The devices.
    pub fn devices(&self) -> Result<Json, PodError> {
        self.get("/devices")
    }

    /// Takes a device out.
    pub fn remove_device(&self, key: &str) -> Result<Json, PodError> {
        self.post("/devices/remove", &json!({ "key": key }))
    }

    /// The peers, and how it stands with them.
    pub fn peers(&self) -> Result<Json, PodError> {
        self.get("/peers")
    }

    /// Lets a peer keep the pod.
    pub fn add_peer(&self, address: &str) -> Result<Json, PodError> {
        self.post("/peers", &json!({ "address": address }))
    }

    /// Forgets a peer.
    pub fn remove_peer(&self, key: &str) -> Result<Json, PodError> {
        self.post("/peers/remove", &json!({ "key": key }))
    }

    /// One round with every known peer.
    pub fn sync(&self) -> Result<Json, PodError> {
        self.post("/sync", &json!({}))
    }

    /// A code for a new device; `compare`: without a secret.
    pub fn pair(&self, member: bool, compare: bool) -> Result<Json, PodError> {
        self.post("/pair", &json!({ "member": member, "compare": compare }))
    }

    /// Whether the code is still good, what is to be compared, and who joined by it.
    pub fn pairing(&self) -> Result<Json, PodError> {
        self.get("/pair")
    }

    /// Whether both devices show the same in this comparison.
    pub fn confirm(&self, comparison: u64, same: bool) -> Result<Json, PodError> {
        self.post("/pair/confirm", &json!({ "id": comparison, "same": same }))
    }

    /// Takes the code back.
    pub fn unpair(&self) -> Result<Json, PodError> {
        self.delete("/pair")
    }

    /// Makes an adoption undone.
    pub fn undo_adoption(&self, id: &str) -> Result<Json, PodError> {
        self.post("/proposals/undo", &json!({ "id": id }))
    }

    /// Apps that were let in, and programs that wait.
    pub fn apps(&self) -> Result<Json, PodError> {
        self.get("/apps")
    }

    /// What an app asks for: `query` as in the address of `/authorize`.
    pub fn ask_app(&self, query: &str) -> Result<Json, PodError> {
        self.post("/apps/ask", &json!({ "query": query }))
    }

    /// Lets an app in; the body is that of the API.
    pub fn allow_app(&self, body: &Json) -> Result<Json, PodError> {
        self.post("/apps/allow", body)
    }

    /// Refuses an app.
    pub fn deny_app(&self, request: &str) -> Result<Json, PodError> {
        self.post("/apps/deny", &json!({ "request": request }))
    }

    /// Sends an app away.
    pub fn revoke_app(&self, id: &str) -> Result<Json, PodError> {
        self.post("/apps/revoke", &json!({ "id": id }))
    }

    /// What an app did.
    pub fn app_activity(&self, id: &str) -> Result<Json, PodError> {
        self.get(&format!("/apps/{id}/activity"))
    }

    /// A hash of the full current state.
    pub fn digest(&self) -> Result<Json, PodError> {
        self.get("/digest")
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/1{path}", self.running.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.running.token)
    }

    /// See [`Pod::storage`](crate::Pod::storage); with it what [`Pod::room`](crate::Pod::room) says.
    pub fn storage(&self) -> Result<Json, PodError> {
        self.get("/storage")
    }

    /// See [`Pod::limit_files`](crate::Pod::limit_files).
    pub fn limit_files(&self, limit: Option<u64>) -> Result<Json, PodError> {
        self.post("/storage", &json!({ "limit": limit }))
    }

    /// The pods that a cloud peer keeps.
    pub(crate) fn cloud_pods(&self) -> Result<Json, PodError> {
        self.get("/pods")
    }

    /// The invitations of a cloud peer.
    pub(crate) fn cloud_invitations(&self) -> Result<Json, PodError> {
        self.get("/invitations")
    }

    /// Another request to a cloud peer.
    pub(crate) fn cloud(&self, path: &str, body: &Json) -> Result<Json, PodError> {
        self.post(path, body)
    }

    fn get(&self, path: &str) -> Result<Json, PodError> {
        self.answer(
            self.agent
                .get(self.url(path))
                .header("authorization", self.bearer())
                .call(),
        )
    }

    fn delete(&self, path: &str) -> Result<Json, PodError> {
        self.answer(
            self.agent
                .delete(self.url(path))
                .header("authorization", self.bearer())
                .call(),
        )
    }

    fn post(&self, path: &str, body: &Json) -> Result<Json, PodError> {
        let text = body.to_string();
        let most = if path.starts_with("/tx") {
            MAX_TX_BODY
        } else {
            MAX_QUERY_BODY
        };
        if text.len() > most {
            // the node would hang up in the middle of it
            return Err(PodError::Remote {
                code: "too-large".into(),
                message: format!("a running pod takes at most {most} bytes at once: split it"),
                position: None,
            });
        }
        let request = self
            .agent
            .post(self.url(path))
            .header("authorization", self.bearer())
            .header("content-type", "application/json");
        self.answer(request.send(text))
    }

    fn answer(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Json, PodError> {
        let remote = |code: &str, message: String| PodError::Remote {
            code: code.to_owned(),
            message,
            position: None,
        };
        let unreachable = |why: &dyn std::fmt::Display| {
            remote(
                "unreachable",
                format!(
                    "the pod at {} does not answer ({why}): is `rhizome up` still running?",
                    self.running.url
                ),
            )
        };
        let mut response = response.map_err(|e| unreachable(&e))?;
        let status = response.status();
        let reader = response.body_mut().with_config().limit(MAX_ANSWER).reader();
        let json: Json = serde_json::from_reader(BufReader::new(reader)).map_err(|e| {
            remote(
                "unknown",
                format!("the pod's answer ({status}) is no JSON: {e}"),
            )
        })?;
        if status.is_success() {
            return Ok(json);
        }
        let error = json.get("error");
        let text = |member: &str| error.and_then(|e| e.get(member)).and_then(Json::as_str);
        let number = |member: &str| {
            let n = error
                .and_then(|e| e.get("position"))
                .and_then(|p| p.get(member))
                .and_then(Json::as_u64);
            n.and_then(|n| u32::try_from(n).ok())
        };
        Err(PodError::Remote {
            code: text("code").unwrap_or("unknown").to_owned(),
            message: text("message")
                .map_or_else(|| format!("the pod answered {status}"), str::to_owned),
            position: number("line")
                .zip(number("column"))
                .map(|(line, column)| rhizome_query::Position { line, column }),
        })
    }
}
