use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use std::{net::SocketAddr, path::PathBuf};

/// Your data in a pod of your own: import it, query it, watch it change.
#[derive(Parser)]
#[command(
    name = "rhizome",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Arguments {
    /// Where the pod lives [default: a folder `rhizome` among your application data]
    #[arg(long, global = true, value_name = "DIR", env = "RHIZOME_HOME")]
    pub home: Option<PathBuf>,
    /// Print JSON for scripts instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make a pod: its keys, its DID, its 24 recovery words
    Init,
    /// Run the pod and serve its page on this machine (makes the pod if there is none)
    Up {
        /// Loopback address; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7400")]
        listen: SocketAddr,
        /// Where your other devices reach this one; `0.0.0.0:7401` for those on the local network, which then find it
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        reach: SocketAddr,
        /// How eagerly to look for them and for peers
        #[arg(long, value_enum, default_value_t = Touch::Normal)]
        mode: Touch,
        /// Do not open a browser
        #[arg(long)]
        no_open: bool,
    },
    /// Import an export of another platform, or CSV, JSON, JSONL and tuple files; run it again whenever there is a newer export
    Import {
        /// Archives, folders or files
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Only say what would happen
        #[arg(long)]
        dry_run: bool,
        /// How columns become attributes (JSON); a guess is printed by --dry-run
        #[arg(long, value_name = "FILE")]
        mapping: Option<PathBuf>,
        /// The importer to use, instead of the one that recognises the file
        #[arg(long, value_name = "NAME")]
        importer: Option<String>,
    },
    /// Write everything to a file: import it into another pod, or read it with other tools
    Export {
        /// `car` (everything), `zip` (JSON lines with the files beside them), `jsonl` (without the files), `activitystreams` (posts, in a zip), `markdown` (notes, articles and posts, in a zip), `vcard`, `icalendar`; if it is missing, by the name of the file
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// The file; `-` writes to standard output
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Keep a backup in a folder: encrypted, and each time only what is new
    Backup {
        /// A folder of its own, on another disk; if it is missing, where the last one was
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
        /// Make one by itself whenever so many hours have passed, while the pod is up; 0: not any more
        #[arg(long, value_name = "HOURS")]
        every: Option<u32>,
        /// Read all of it afterwards
        #[arg(long)]
        verify: bool,
        /// Forget where it is
        #[arg(long, conflicts_with_all = ["directory", "every", "verify"])]
        off: bool,
        /// Say where it is and how the last one went
        #[arg(long, conflicts_with_all = ["directory", "every", "verify", "off"])]
        state: bool,
    },
    /// Say what takes how much room, or how much room files may take on this device
    Storage {
        /// The most that files may take: bytes, or with K, M, G or T (1024 times each); `none`: as much as there is
        #[arg(long, value_name = "SIZE")]
        limit: Option<FileLimit>,
    },
    /// Remove files that nothing has named for a while
    Gc {
        /// For how many days nothing has to have named them
        #[arg(long, default_value_t = rhizome_pod::GARBAGE_DAYS)]
        days: u32,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Take a pod back from a backup, with its 24 words on standard input; all other devices are out
    Restore {
        /// The folder
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Ask the pod: Datalog (`[:find ?n :where [?p :name ?n]]`) or IQL (`{"post": {}}`); `-` reads standard input
    Query {
        /// The query
        #[arg(value_name = "QUERY")]
        query: String,
        /// Values for `:in`, each as JSON, in order
        #[arg(long, short, value_name = "JSON")]
        input: Vec<String>,
        /// Ask what somebody shares with you instead; `all`: yours and everybody's; `followed`: all whom you follow, as one
        #[arg(long, value_name = "DID")]
        pod: Option<String>,
        /// Ask a draft: the pod that it is of, with what the draft says
        #[arg(long, value_name = "NAME", conflicts_with = "pod")]
        draft: Option<String>,
        /// Ask the pod as it was: milliseconds since 1970, a moment such as 2026-11-20T12:00:00Z, or a day, for its end in UTC
        #[arg(long, value_name = "TIME", conflicts_with_all = ["pod", "draft"])]
        as_of: Option<String>,
    },
    /// List what was written, the newest first
    Log {
        /// How many commits
        #[arg(long, value_name = "COMMITS", default_value_t = 20)]
        limit: usize,
    },
    /// Take back what one commit said: what was changed since stays; undo it again to have it back
    Undo {
        /// The commit, as `rhizome log` and `rhizome tx` print it [default: the newest one of the command line]
        #[arg(value_name = "COMMIT")]
        commit: Option<String>,
    },
    /// Keep a table in SQLite or PostgreSQL equal to a query, until stopped, so that other tools can use the data
    SyncSql {
        /// The database: `sqlite:FILE` or `postgres://USER@HOST/DATABASE`
        #[arg(long, value_name = "TARGET")]
        to: String,
        /// The table; it is made, and one that somebody else made is refused
        #[arg(long, value_name = "NAME")]
        table: String,
        /// The query, in Datalog or IQL; `-` reads standard input
        #[arg(value_name = "QUERY")]
        query: String,
        /// Values for `:in`, each as JSON, in order
        #[arg(long, short, value_name = "JSON")]
        input: Vec<String>,
        /// Only make it equal now
        #[arg(long)]
        once: bool,
    },
    /// Find words in what you wrote and keep: all of them, `"phrases"`, `-not`, `begin*`, `this OR that`
    Search {
        /// What to look for
        #[arg(required = true, value_name = "WORDS", allow_hyphen_values = true)]
        words: Vec<String>,
        /// Only in texts of this attribute; may be given several times
        #[arg(long, value_name = "NAME")]
        attribute: Vec<String>,
        /// Only entities of this type, such as `post`
        #[arg(long, value_name = "TYPE")]
        r#type: Option<String>,
        /// At most so many, the best first
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
        /// Search what somebody shares with you instead; `all`: yours and everybody's; `followed`: all whom you follow
        #[arg(long, value_name = "DID")]
        pod: Option<String>,
    },
    /// Queries and transactions line by line
    Repl,
    /// Change tuples: a JSON array of {"assert" | "retract" | "insert" | "add" | "list": {"entity", "attribute", "value"}}
    Tx {
        /// The file; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// In what somebody shares with you; it counts once a device of theirs has admitted it
        #[arg(long, value_name = "DID")]
        pod: Option<String>,
    },
    /// Share what matches with somebody, now and later: prints an invitation for them alone; or with anyone
    Grant {
        /// Which entities: `is-photo: true && photo-album: "garibaldi"`
        #[arg(long = "where", value_name = "PREDICATE")]
        predicate: String,
        /// What they may do: read, propose, write; several with commas
        #[arg(long, value_name = "POWERS", default_value = "read")]
        can: String,
        /// To whom: the DID that `rhizome digest` prints there; or `anyone`, to read
        #[arg(long, value_name = "DID")]
        to: String,
        /// For how long, if not until you take it back
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Take what somebody shares with you
    Accept {
        /// The invitation that they gave you
        #[arg(value_name = "INVITE")]
        invite: String,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// List what you have given
    Grants,
    /// Take a grant back
    Revoke {
        /// Its name, as `rhizome grants` lists it
        #[arg(value_name = "GRANT")]
        grant: String,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Follow what somebody makes public
    Follow {
        /// Whom: the DID that `rhizome digest` prints there
        #[arg(value_name = "DID")]
        did: String,
        /// A peer that keeps their pod, or their own device, besides the peers that you have
        #[arg(long, value_name = "ADDRESS")]
        at: Option<String>,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Follow somebody no longer
    Unfollow {
        /// Whom
        #[arg(value_name = "DID")]
        did: String,
    },
    /// List whom you follow, and what of it is here
    Following,
    /// Show the newest posts of those whom you follow, with comments
    Timeline {
        /// How many
        #[arg(long, value_name = "POSTS", default_value_t = 50)]
        limit: usize,
    },
    /// List your drafts: changes that you have not made yet
    Drafts,
    /// Make a draft, say something in it, and adopt it, propose it or drop it
    Draft {
        #[command(subcommand)]
        command: DraftCommand,
    },
    /// List the groups that you are in
    Groups,
    /// Make a group, and say who is in it
    Group {
        #[command(subcommand)]
        command: GroupCommand,
    },
    /// List what others share with you, and what became of what you wrote there
    Shared {
        #[command(subcommand)]
        command: Option<SharedCommand>,
    },
    /// Propose changes to somebody who shares something with you: nothing happens until they adopt them
    Propose {
        /// To whom
        #[arg(long, value_name = "DID")]
        to: String,
        /// The changes, as for `rhizome tx`; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// What you say about it
        #[arg(long, value_name = "TEXT", default_value = "")]
        comment: String,
    },
    /// List what others propose to you, and what they wrote that did not count; adopt it or decline it
    Proposals {
        #[command(subcommand)]
        command: Option<ProposalsCommand>,
    },
    /// List the programs and pages that you let in, and those that wait
    Apps {
        #[command(subcommand)]
        command: Option<AppsCommand>,
    },
    /// Show a code for a new device of yours, and wait for it
    Pair {
        /// Where to wait for it
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// The new device may write, but not add or remove devices
        #[arg(long)]
        member: bool,
        /// A code that is no secret: seven pictures are compared on both devices instead
        #[arg(long)]
        compare: bool,
    },
    /// Make this device one of yours, with the code that `rhizome pair` shows on another
    Join {
        /// The code
        #[arg(value_name = "CODE")]
        code: String,
        /// What to call this device [default: the name of the machine]
        #[arg(long)]
        name: Option<String>,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// List your devices, or take one out
    Devices {
        #[command(subcommand)]
        command: Option<DevicesCommand>,
    },
    /// List the peers that keep your pod, add one, or forget one
    Peers {
        #[command(subcommand)]
        command: Option<PeersCommand>,
    },
    /// Exchange with the other devices and peers
    Sync {
        /// One full round with every known peer, then a report
        #[arg(long, required = true)]
        once: bool,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Keep other people's pods, sealed: an always-on peer that can read none of them
    #[command(args_conflicts_with_subcommands = true)]
    CloudPeer {
        #[command(subcommand)]
        command: Option<CloudPeerCommand>,
        /// Where to be reached
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7500")]
        listen: SocketAddr,
        /// Also relay between devices of the pods that are kept, here: plain HTTP, for behind a server that speaks TLS
        #[arg(long, value_name = "ADDRESS:PORT")]
        relay: Option<SocketAddr>,
        /// The URL by which devices reach the relay, if it is not that of its address
        #[arg(long, value_name = "URL", requires = "relay")]
        relay_url: Option<String>,
        /// Also take links over WebSockets, here, for devices whose network lets no UDP through: plain TCP, for behind a server that speaks TLS
        #[arg(long, value_name = "ADDRESS:PORT")]
        websocket: Option<SocketAddr>,
        /// The ws: or wss: URL by which devices get there, if it is not that of its address
        #[arg(long, value_name = "URL", requires = "websocket")]
        websocket_url: Option<String>,
        /// What each pod may take, if its invitation does not say otherwise
        #[arg(long, value_name = "MiB", default_value_t = rhizome_pod::DEFAULT_QUOTA >> 20)]
        quota: u64,
    },
    /// Take a pod back on an empty machine, with its 24 words on standard input
    Recover {
        /// A peer that keeps the pod
        #[arg(long, value_name = "ADDRESS")]
        peer: String,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Who may take your identity back; friends who can, when the words are lost or stolen
    Recovery {
        #[command(subcommand)]
        command: Option<RecoveryCommand>,
    },
    /// A hash of the full current state: equal on equal replicas
    Digest,
    /// Verify every hash, signature and index against the log
    Doctor {
        /// Throw the indexes away and make them anew from the log first
        #[arg(long)]
        rebuild: bool,
    },
    /// Measure this machine: import and queries on made-up tuples, in a pod that is thrown away
    Bench {
        /// How many tuples
        #[arg(long, default_value_t = 200_000)]
        tuples: u32,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// What dialling costs at the moment.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Touch {
    /// Mains, and a network that costs nothing
    Normal,
    /// A network that is paid by the byte
    Metered,
    /// A battery
    Battery,
}

impl From<Touch> for rhizome_pod::Mode {
    fn from(touch: Touch) -> Self {
        match touch {
            Touch::Normal => Self::Normal,
            Touch::Metered => Self::Metered,
            Touch::Battery => Self::Battery,
        }
    }
}

#[derive(Subcommand)]
pub enum CloudPeerCommand {
    /// Let somebody have a pod kept: prints an address with an invitation, once
    Invite {
        /// How many pods may be kept by it; 0 for any number
        #[arg(long, value_name = "N", default_value_t = 1)]
        pods: u32,
        /// How long it is good; 0 for ever
        #[arg(long, value_name = "HOURS", default_value_t = 7 * 24)]
        hours: u32,
        /// What each of them may take, if not as much as all others
        #[arg(long, value_name = "MiB")]
        quota: Option<u64>,
        /// The one device that may use it, by its did:key; without it whoever has the address
        #[arg(long, value_name = "DID-KEY")]
        to: Option<String>,
        /// For whom it is; for your own list
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List the invitations
    Invitations,
    /// Take an invitation back; pods that are kept by it stay
    Revoke {
        /// Its name, as `rhizome cloud-peer invitations` lists it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// List the pods that are kept, and what each takes
    Pods,
    /// Change what a pod may take; what is there stays
    Quota {
        /// Whose
        #[arg(value_name = "DID")]
        did: String,
        /// How much
        #[arg(value_name = "BYTES")]
        bytes: u64,
    },
    /// Keep a pod no longer, and delete all there is of it
    Forget {
        /// Whose
        #[arg(value_name = "DID")]
        did: String,
    },
}

#[derive(Subcommand)]
pub enum GroupCommand {
    /// Make a group, with you as its first admin
    Create {
        /// What it is called
        name: String,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Invite somebody: prints what they accept
    Invite {
        /// The group, as `rhizome groups` lists it
        #[arg(value_name = "GROUP")]
        group: String,
        /// Whom: the DID that `rhizome digest` prints there
        #[arg(long, value_name = "DID")]
        to: String,
        /// What they are to be: admin, member or reader
        #[arg(long = "as", value_name = "ROLE", default_value = "member")]
        role: String,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// List who is in a group
    Members {
        /// The group, as `rhizome groups` lists it
        #[arg(value_name = "GROUP")]
        group: String,
    },
    /// Take somebody out: what they write later counts nowhere
    Remove {
        /// The group, as `rhizome groups` lists it
        #[arg(value_name = "GROUP")]
        group: String,
        /// Whom
        did: String,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Go
    Leave {
        /// The group, as `rhizome groups` lists it
        #[arg(value_name = "GROUP")]
        group: String,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
}

#[derive(Subcommand)]
pub enum SharedCommand {
    /// Forget something that somebody shares, with what is here of it
    Forget {
        /// The view, as `rhizome shared --json` lists it
        #[arg(value_name = "VIEW")]
        view: String,
    },
}

#[derive(Subcommand)]
pub enum DraftCommand {
    /// Begin one. Nobody but your devices sees it; where it says nothing, it is as the pod is
    New {
        /// What to call it
        #[arg(value_name = "NAME")]
        name: String,
        /// Of what somebody shares with you, instead of your own pod
        #[arg(long, value_name = "DID")]
        of: Option<String>,
    },
    /// Say something in it: changes as for `rhizome tx`. Ask it with `rhizome query --draft NAME`
    Tx {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// The file; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// What it would change, and what the pod has changed since
    Diff {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Make its changes in the pod
    Adopt {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Those of this entity alone: the rest stays in the draft
        #[arg(long, value_name = "ENTITY")]
        entity: Option<String>,
    },
    /// Make what was adopted of it undone: what was changed since stays
    Undo {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Propose what it says to somebody who shares something with you
    Propose {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// To whom
        #[arg(long, value_name = "DID")]
        to: String,
        /// What you say about it
        #[arg(long, value_name = "TEXT", default_value = "")]
        comment: String,
    },
    /// Drop it: it is kept as dropped
    Drop {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Erase it, with all that it says
        #[arg(long)]
        for_good: bool,
    },
}

#[derive(Subcommand)]
pub enum ProposalsCommand {
    /// Make the changes, in your own name
    Adopt {
        /// Its name
        #[arg(value_name = "ID")]
        id: String,
        /// Those of this entity alone
        #[arg(long, value_name = "ENTITY")]
        entity: Option<String>,
    },
    /// Make an adoption undone: what was changed since stays
    Undo {
        /// Its name
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Leave it be
    Decline {
        /// Its name
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Say something about it: one made to you, or one of yours, as `rhizome shared` lists it
    Comment {
        /// Its name
        #[arg(value_name = "ID")]
        id: String,
        /// What you say; all who have the share may read it
        #[arg(value_name = "TEXT")]
        text: String,
    },
}

#[derive(Subcommand)]
pub enum AppsCommand {
    /// Show what a program asks for
    Show {
        /// The code that it shows
        #[arg(value_name = "CODE")]
        code: String,
    },
    /// Let a program in, with what it asks for or with less
    Allow {
        /// The code that it shows
        #[arg(value_name = "CODE")]
        code: String,
        /// Only what also matches this
        #[arg(long = "where", value_name = "PREDICATE")]
        predicate: Option<String>,
        /// No more than this: read, propose or write
        #[arg(long, value_name = "POWER")]
        can: Option<String>,
        /// For so many days
        #[arg(long)]
        days: Option<u32>,
    },
    /// Refuse a program
    Deny {
        /// The code that it shows
        #[arg(value_name = "CODE")]
        code: String,
    },
    /// Send an app away: at once, it can do nothing any more
    Revoke {
        /// Its name, as `rhizome apps` lists it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Show what an app did on this device
    Activity {
        /// Its name, as `rhizome apps` lists it
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Subcommand)]
pub enum DevicesCommand {
    /// Take a device out: what it writes from now on does not count anywhere, and what you write it cannot read
    Remove {
        /// Its key, as `rhizome devices` lists it
        #[arg(value_name = "DID-KEY")]
        key: String,
    },
}

#[derive(Subcommand)]
pub enum RecoveryCommand {
    /// Print your card, for a friend who wants you among those who may recover them
    Card,
    /// Let friends decide together, above the words; your 24 words on standard input
    Friends {
        /// How many of them it takes
        #[arg(long, value_name = "K")]
        need: u8,
        /// Their cards
        #[arg(required = true, value_name = "CARD")]
        cards: Vec<String>,
    },
    /// Ask friends that this device be your only one
    Ask {
        /// Their cards, as many as it takes
        #[arg(required = true, value_name = "CARD")]
        cards: Vec<String>,
        /// Where to write the request
        #[arg(long, value_name = "FILE", default_value = "recovery-request")]
        out: PathBuf,
    },
    /// Look at a friend's request, and sign it
    Sign {
        /// The request
        #[arg(value_name = "FILE")]
        request: PathBuf,
        /// Where to write the answer; without it the request is only shown
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Put your request into force, with the friends' answers and the new words on standard input
    Finish {
        /// The answers
        #[arg(required = true, value_name = "FILE")]
        answers: Vec<PathBuf>,
    },
}

#[derive(Subcommand)]
pub enum PeersCommand {
    /// Let a peer keep the pod
    Add {
        /// Its address, as it shows it
        #[arg(value_name = "ADDRESS")]
        address: String,
        /// The address to use on this side
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Pass on a part of an invitation: prints an address for somebody else
    PassOn {
        /// The address with the invitation
        #[arg(value_name = "ADDRESS")]
        address: String,
        /// The one device that may use it, by its did:key; without it whoever has the address
        #[arg(long, value_name = "DID-KEY")]
        to: Option<String>,
        /// How long it is good, if not as long as the whole
        #[arg(long, value_name = "HOURS")]
        hours: Option<u32>,
        /// What a pod may take, if not as much as by the whole
        #[arg(long, value_name = "MiB")]
        quota: Option<u64>,
    },
    /// Forget a peer: it keeps what it has and gets nothing new
    Remove {
        /// Its key, as `rhizome peers` lists it
        #[arg(value_name = "DID-KEY")]
        key: String,
    },
}

/// Prints the completions of a shell.
pub fn completions(shell: Shell) {
    clap_complete::generate(
        shell,
        &mut Arguments::command(),
        "rhizome",
        &mut std::io::stdout(),
    );
}

/// Prints the manual page.
pub fn man() -> std::io::Result<()> {
    clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout())
}

/// How much files may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit(pub Option<u64>);

impl std::str::FromStr for FileLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let wrong = || format!("`{text}` is no size: 500M, 20G, a number of bytes, or none");
        let upper = text.trim().to_ascii_uppercase();
        let number = upper.trim_end_matches("IB").trim_end_matches('B');
        let (number, power) = match number.char_indices().last() {
            Some((at, unit)) if !unit.is_ascii_digit() => {
                let power = "KMGT".find(unit).ok_or_else(wrong)? + 1;
                (&number[..at], power)
            }
            _ => (number, 0),
        };
        let number: u64 = number.trim().parse().map_err(|_| wrong())?;
        let bytes = number.checked_mul(1 << (10 * power)).ok_or_else(wrong)?;
        Ok(Self(Some(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::FileLimit;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("none", None),
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("500M", Some(500 << 20)),
            ("20 GiB", Some(20 << 30)),
            ("2tb", Some(2 << 40)),
        ] {
            assert_eq!(text.parse(), Ok(FileLimit(bytes)), "{text}");
        }
        for text in ["", "G", "-1", "1.5G", "1X", "1é", "99999999999T"] {
            assert!(text.parse::<FileLimit>().is_err(), "{text}");
        }
    }
}
