//! A cloud peer: always on, keeps the pods of many people, and can read none of them.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use data_encoding::BASE32_NOPAD;
use parking_lot::Mutex;
use rhizome_blob::{Holding, SealedStore};
use rhizome_identity::{Did, KeyStore, Log, SealedHead};
use rhizome_ipld::{PublicKey, codec};
use rhizome_network::{Admission, Link, Node, NodeConfig, Protocol, Services};
use rhizome_sealed::{News, Sealed, SealedOptions, SealedPod, Usage};
use rhizome_storage::RedbKv;
use rhizome_sync::{Local, Role, Store};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use tokio::{sync::mpsc, task::block_in_place};

use crate::{
    Opening, PodError, files,
    home::{make_private, now_ms, random_bytes},
    lock::WriterLock,
    sync::{Told, Until, drive, hello},
};

/// Bytes that one pod may take, unless its invitation says otherwise.
pub const DEFAULT_QUOTA: u64 = 10 << 30;
/// Pods that are shown to somebody who knows a recovery key.
const MAX_FOUND: usize = 8;
/// Heads of chains that are told to somebody who recovers a pod.
const MAX_HEADS: usize = 600;

/// An open cloud peer:
///
/// ```text
/// keys/          its key (mode 0700)
/// sealed.redb    commits and certificates of all pods
/// blobs/         files of all pods, sealed
/// invitation     what lets somebody have a pod kept (mode 0600)
/// writer.lock    held by the one process that runs
/// ```
pub struct CloudPeer {
    shared: Arc<Shared>,
    node: Node,
    token: Vec<u8>,
    _lock: WriterLock,
}

struct Shared {
    sealed: Sealed,
    token: Vec<u8>,
    quota: u64,
    /// Files of all pods, a directory each.
    blobs: PathBuf,
    /// Those in use.
    open: Mutex<BTreeMap<Did, Weak<SealedStore>>>,
}

fn now() -> u64 {
    now_ms().max(0) as u64
}

impl CloudPeer {
    /// Starts one in `directory`, made there if there is none, at these addresses.
    ///
    /// # Errors
    /// [`PodError::InUse`], those of the key store, the store and the network.
    pub async fn start(
        directory: &Path,
        opening: &Opening,
        listen: Vec<SocketAddr>,
        quota: u64,
    ) -> Result<Self, PodError> {
        make_private(directory)?;
        let lock = WriterLock::take(&directory.join("writer.lock"), &opening.what, now_ms())?;
        let keys = directory.join("keys");
        let keys = if KeyStore::exists(&keys) {
            KeyStore::open(&keys, &opening.passphrase)?
        } else {
            KeyStore::create(&keys, &opening.passphrase, &mut random_bytes()?)?
        };
        if keys.genesis().is_some() {
            return Err(PodError::Request(format!(
                "{} is the home of a pod: give the cloud peer a directory of its own",
                directory.display()
            )));
        }
        let token = invitation(&directory.join("invitation"))?;
        let kv = Arc::new(RedbKv::open(directory.join("sealed.redb"))?);
        let shared = Arc::new(Shared {
            sealed: Sealed::open(kv, SealedOptions::default())?,
            token: token.clone(),
            quota,
            blobs: directory.join("blobs"),
            open: Mutex::default(),
        });
        let [syncs, files, finds] = std::array::from_fn(|_| Arc::clone(&shared));
        let services =
            Services::builder(Arc::new(keys.device()), |_, _: &PublicKey| Admission::Admit)
                .serve(Protocol::Sync, move |link| {
                    let shared = Arc::clone(&syncs);
                    async move {
                        let key = link.peer();
                        if let Err(error) = shared.answer(link).await {
                            tracing::debug!(%key, %error, "a session ended");
                        }
                    }
                })
                .serve(Protocol::Blob, move |link| {
                    let shared = Arc::clone(&files);
                    async move {
                        if let Err(error) = shared.answer_files(link).await {
                            tracing::debug!(%error, "files were not carried");
                        }
                    }
                })
                .serve(Protocol::Rpc, move |link| {
                    let shared = Arc::clone(&finds);
                    async move {
                        if let Err(error) = shared.find(link).await {
                            tracing::debug!(%error, "a search ended");
                        }
                    }
                })
                .build();
        let config = NodeConfig {
            bind: listen,
            ..NodeConfig::default()
        };
        let node = Node::start(services, config).await?;
        Ok(Self {
            shared,
            node,
            token,
            _lock: lock,
        })
    }

    /// Where it is, with what lets somebody have a pod kept: to be given to those who may.
    ///
    /// # Errors
    /// [`PodError::Network`].
    pub fn invitation(&self) -> Result<String, PodError> {
        let token = BASE32_NOPAD.encode(&self.token).to_ascii_lowercase();
        Ok(format!("{}.{token}", self.node.address()?))
    }

    /// The pods it keeps, and what each takes.
    ///
    /// # Errors
    /// Those of the store.
    pub fn pods(&self) -> Result<Vec<Usage>, PodError> {
        Ok(self.shared.sealed.pods()?)
    }

    /// Says goodbye to everybody.
    ///
    /// # Errors
    /// [`PodError::Network`] if a session does not end in time.
    pub async fn shutdown(self) -> Result<(), PodError> {
        Ok(self.node.shutdown().await?)
    }
}

/// The secret in the invitation, made if there is none.
fn invitation(path: &PathBuf) -> Result<Vec<u8>, PodError> {
    let io = |error| PodError::file(path, error);
    match fs::read_to_string(path) {
        Ok(text) => BASE32_NOPAD
            .decode(text.trim().to_ascii_uppercase().as_bytes())
            .map_err(|_| PodError::Request(format!("{} is damaged: remove it", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut token = vec![0; 20];
            random_bytes()?(&mut token);
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path).map_err(io)?;
            let text = BASE32_NOPAD.encode(&token).to_ascii_lowercase();
            std::io::Write::write_all(&mut file, text.as_bytes()).map_err(io)?;
            file.sync_all().map_err(io)?;
            Ok(token)
        }
        Err(error) => Err(io(error)),
    }
}

impl Shared {
    /// A device comes to exchange.
    async fn answer(&self, mut link: Link) -> Result<(), PodError> {
        let Some(pod) = self.check(&mut link).await? else {
            let _ = link.close().await;
            return Ok(());
        };
        let mut store = pod.store(now());
        let (news, told) = mpsc::unbounded_channel();
        let listening = store.listen(move |new| {
            let told = match new {
                News::Commit(name) => Told::New(Local::Commit(name)),
                News::Certificate(id) => Told::New(Local::Certificate(id)),
                News::Judged => Told::Judged,
            };
            let _ = news.send(told);
        });
        let done = drive(
            link,
            Role::Responder,
            &mut store,
            told,
            Until::Closed,
            &mut |_| (),
        )
        .await;
        drop(listening);
        done.map(drop)
    }

    /// A device wants files, or brings some.
    async fn answer_files(&self, mut link: Link) -> Result<(), PodError> {
        if let Some(pod) = self.check(&mut link).await? {
            let store = block_in_place(|| self.files(&pod.did()))?;
            files::answer(&mut link, Holding::Sealed(&store)).await?;
        }
        let _ = link.close().await;
        Ok(())
    }

    /// The files of a pod. One store at a time, however many ask.
    fn files(&self, did: &Did) -> Result<Arc<SealedStore>, PodError> {
        let mut open = self.open.lock();
        if let Some(store) = open.get(did).and_then(Weak::upgrade) {
            return Ok(store);
        }
        open.retain(|_, store| store.strong_count() > 0);
        make_private(&self.blobs)?;
        let name = did.to_string();
        let name = name.rsplit(':').next().unwrap_or_default();
        let store = Arc::new(SealedStore::in_directory(
            self.blobs.join(name),
            self.quota,
        )?);
        open.insert(*did, Arc::downgrade(&store));
        Ok(store)
    }

    /// Whether it is a device of a pod that is kept here, or may be from now on.
    async fn check(&self, link: &mut Link) -> Result<Option<Arc<SealedPod>>, PodError> {
        let did = hello::asked(link).await?;
        let key = link.peer();
        let pod = block_in_place(|| self.sealed.pod(&did))?;
        if let Some(pod) = pod.filter(|pod| pod.admits(&key)) {
            hello::reply(link, &hello::Answer::Ready).await?;
            return Ok(Some(pod));
        }
        hello::reply(link, &hello::Answer::ShowLog).await?;
        let (log, token) = hello::shown(link).await?;
        let (answer, pod) = block_in_place(|| self.consider(&did, &key, &log, token.as_deref()))?;
        hello::reply(link, &answer).await?;
        Ok(pod)
    }

    fn consider(
        &self,
        did: &Did,
        key: &PublicKey,
        log: &Log,
        token: Option<&[u8]>,
    ) -> Result<(hello::Answer, Option<Arc<SealedPod>>), PodError> {
        let no = |why: &str| Ok((hello::Answer::No(why.into()), None));
        if log.did() != *did {
            return no("that is the device log of another pod");
        }
        let pod = match self.sealed.pod(did)? {
            Some(pod) => {
                pod.add_log(log, now())?;
                pod
            }
            None if log.resolve().device(key).is_none() => {
                return no("this device is none of the pod's");
            }
            None if token.map(blake3::hash) != Some(blake3::hash(&self.token)) => {
                return no(
                    "this pod is not kept here: add this peer with the whole address that it shows",
                );
            }
            None => {
                self.sealed.host(log, self.quota, now())?;
                match self.sealed.pod(did)? {
                    Some(pod) => pod,
                    None => return no("the pod was removed just now"),
                }
            }
        };
        if pod.admits(key) {
            Ok((hello::Answer::Ready, Some(pod)))
        } else {
            no("this device is not, or no longer, one of the pod's")
        }
    }

    /// Somebody with recovery words looks for the pods they belong to.
    async fn find(&self, mut link: Link) -> Result<(), PodError> {
        let hidden = found::asked(&mut link).await?;
        let found = block_in_place(|| -> Result<Vec<(Log, Vec<SealedHead>)>, PodError> {
            let mut out = Vec::new();
            for did in self
                .sealed
                .find_by_policy_key(&hidden)?
                .into_iter()
                .take(MAX_FOUND)
            {
                if let Some(pod) = self.sealed.pod(&did)? {
                    let log = pod.with_certificates(|set| set.log().clone())?;
                    out.push((log, heads(&pod)?));
                }
            }
            Ok(out)
        })?;
        found::tell(&mut link, &found).await?;
        let _ = link.close().await;
        Ok(())
    }
}

/// The heads of everything in a pod, as far as it counts.
fn heads(pod: &Arc<SealedPod>) -> Result<Vec<SealedHead>, PodError> {
    let store = pod.store(now());
    let failed = |e: rhizome_sync::StoreError| PodError::Peer(e.to_string());
    let mut out = Vec::new();
    for (process, _) in store.chains().map_err(failed)? {
        if let Some(chain) = store.chain(&process).map_err(failed)? {
            out.extend(chain.heads.into_iter().map(|(seq, commit)| SealedHead {
                process,
                seq,
                commit,
            }));
        }
        if out.len() > MAX_HEADS {
            break;
        }
    }
    out.truncate(MAX_HEADS);
    Ok(out)
}

/// The words of a search: by a hidden recovery key, for device logs.
pub(crate) mod found {
    use super::{
        BTreeMap, ByteArray, Deserialize, Link, Log, MAX_FOUND, PodError, SealedHead, Serialize,
        codec, hello,
    };

    #[derive(Serialize, Deserialize)]
    struct Question(u8, ByteArray<32>);

    fn unclear() -> PodError {
        PodError::Peer("the other side does not speak this protocol".into())
    }

    fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, PodError> {
        codec::encode(message).map_err(|e| PodError::Peer(e.to_string()))
    }

    pub async fn asked(link: &mut Link) -> Result<[u8; 32], PodError> {
        let bytes = link.receive().await?.ok_or_else(unclear)?;
        match codec::decode(&bytes, 64) {
            Ok(Question(1, hidden)) => Ok(hidden.into_array()),
            _ => Err(unclear()),
        }
    }

    pub async fn tell(link: &mut Link, found: &[(Log, Vec<SealedHead>)]) -> Result<(), PodError> {
        link.send(encode(&(found.len() as u32,))?).await?;
        for (log, heads) in found {
            hello::show(link, log, Some(&encode(heads)?)).await?;
        }
        Ok(())
    }

    /// Asks, and reads what comes: for each DID its log and the heads of what is kept of it.
    pub async fn ask(
        link: &mut Link,
        hidden: [u8; 32],
    ) -> Result<BTreeMap<rhizome_identity::Did, (Log, Vec<SealedHead>)>, PodError> {
        link.send(encode(&Question(1, ByteArray::new(hidden)))?)
            .await?;
        let bytes = link.receive().await?.ok_or_else(unclear)?;
        let (count,): (u32,) = codec::decode(&bytes, 16).map_err(|_| unclear())?;
        let mut out = BTreeMap::new();
        for _ in 0..(count as usize).min(MAX_FOUND) {
            let (log, heads) = hello::shown(link).await?;
            let heads = heads.ok_or_else(unclear)?;
            let heads = codec::decode(&heads, 64 << 10).map_err(|_| unclear())?;
            out.insert(log.did(), (log, heads));
        }
        Ok(out)
    }
}
