/** The shapes of /api/1; docs/api.md says what they mean. */

export type EntityId = string

/** A value of a tuple as JSON. */
export type Value =
  | boolean
  | number
  | string
  | { time: number }
  | { bytes: string }
  | { ref: EntityId }
  | { blob: string }

/** A cell of a query result: entities are plain `rz:…` strings, times plain milliseconds; a pull gives a nested object. */
export type Cell = Value | null | Cell[] | { [attribute: string]: Cell }

export interface Status {
  version: string
  did: string
  device: string
  home: string
  tuples: number
  entities: number
  commits: number
  blobs: { count: number; bytes: number }
  recovery: { confirmed: boolean }
  blob_token: string
}

/** Where in the query text an error lies; both count from 1, columns count characters. */
export interface Position {
  line: number
  column: number
}

export interface ApiErrorBody {
  error: { code: string; message: string; hint?: string; position?: Position }
}

export interface DatalogResult {
  columns: string[]
  rows: Cell[][]
  took_us?: number
}

/** An IQL query answers with one member per namespace it asked for. */
export interface IqlResult {
  result: Cell
  took_us?: number
}

export type QueryResult = DatalogResult | IqlResult

/** An entity that was found; `created` as RFC 3339. */
export interface SearchHit {
  entity: EntityId
  attribute: string
  type: string | null
  created: string | null
  score: number
  excerpt: { text: string; hit: boolean }[]
}

export interface SearchAnswer {
  hits: SearchHit[]
  complete: boolean
  behind: number
}

export type Operation =
  | { assert: Target }
  | { retract: { entity: EntityId; attribute: string; value?: Value } }
  | { insert: Target }
  | { add: Target }
  | { push: Target }

export interface Target {
  entity: EntityId
  attribute: string
  value: Value
}

export interface Receipt {
  /** `null` if it changed nothing. */
  commit: string | null
  entities: Record<string, EntityId>
}

/** A commit that was taken back. */
export type ExportFormat = 'zip' | 'car' | 'jsonl' | 'activitystreams' | 'markdown' | 'vcard' | 'icalendar'

export interface BackupReport {
  directory: string
  commits: number
  bytes: number
  files: number
  sent: number
  complete: boolean
}

export interface BackupState {
  directory: string | null
  hours?: number | null
  last_ms?: number | null
  error?: string | null
  report?: BackupReport | null
  running: boolean
}

export interface UndoneCommit {
  undone: string
  /** The commit that did it; `null` if nothing was left to do. */
  commit: string | null
  added: number
  removed: number
  /** What was changed since, and stays. */
  kept: { entity: EntityId; attribute: string }[]
}

export interface CommitLine {
  commit: string
  number: number
  at: number
  device: string
  app: string | null
  counts: boolean
  /** How many it is about; the first few of them in `about`. */
  entities: number
  about: EntityId[]
}

export interface Commits {
  commits: CommitLine[]
  total: number
}

/** What takes how much room; bytes are those of values. */
export interface Storage {
  disk: { total: number; tuples: number; files: number; other: number }
  tuples: number
  commits: number
  kinds: { schema: string | null; kind: string | null; entities: number; tuples: number; bytes: number; files: number; file_bytes: number }[]
  apps: { app: string | null; commits: number; tuples: number; bytes: number }[]
  files: { count: number; bytes: number; unnamed: { count: number; bytes: number }; types: { type: string | null; count: number; bytes: number }[] }
  months: { month: string; commits: number; tuples: number; bytes: number }[]
  took_ms: number
  room: Room
}

/** Bytes: what files may take on this device and take of it, what is free on the disk, and how much of that they leave free. Null where nothing was set, or nothing is said. */
export interface Room {
  limit: number | null
  used: number | null
  free: number | null
  spared: number
}

/** Who asserted a tuple, when, and by which app. */
export interface Provenance {
  commit: string
  at: number
  device: string
  app: string | null
}

export interface EntityTuple extends Provenance {
  attribute: string
  value: Value
  merge: 'register' | 'set' | 'counter' | 'list'
}

export interface HistoryEntry extends Provenance {
  kind: 'assert' | 'retract' | 'insert' | 'add' | 'list' | 'create' | 'erase' | 'text'
  attribute: string | null
  value: Value | null
  current: boolean
}

export interface Conflict {
  attribute: string
  values: (Provenance & { value: Value; winner: boolean })[]
}

export interface Conflicts {
  conflicts: (Conflict & { entity: EntityId })[]
  total: number
}

export interface EntityDetail {
  id: EntityId
  tuples: EntityTuple[]
  conflicts: Conflict[]
  history: HistoryEntry[]
  history_total: number
  incoming: { entity: EntityId; attribute: string }[]
  incoming_total: number
}

export interface ImportCounts {
  added: number
  changed: number
  unchanged: number
  skipped: number
}

/** What an import did, or would do. The lists are cut; `totals` are exact. */
export interface ImportReport extends ImportCounts {
  kinds: Record<string, ImportCounts>
  complete: boolean
  recognised: { importer: string; confidence: number; why: string; source: string; account?: string } | null
  range: { from: number; to: number } | null
  audience: Record<string, number>
  tuples: number
  kept: ImportLine[]
  taken: ImportLine[]
  conflicts: ImportLine[]
  files: { path: string; bytes: number }[]
  problems: { code: string; file: string; item?: string; message: string }[]
  totals: { kept: number; taken: number; conflicts: number; vanished: number; files: number; problems: Record<string, number> }
}

/** One attribute of one record where the pod and the export differ. */
export interface ImportLine {
  entity: EntityId
  kind: string
  attribute: string
  here: unknown
  export: unknown
}

export interface ImportJob {
  job: string
  name: string
  state: 'receiving' | 'reading' | 'ready' | 'importing' | 'done' | 'failed' | 'cancelled'
  progress: { phase: string; done: number; total: number | null; records: number }
  report: ImportReport | null
  error: ApiErrorBody['error'] | null
}

export interface Device {
  key: string
  name: string | null
  role: 'admin' | 'member'
  this: boolean
  last_seen_ms: number | null
  connected: boolean
  /** Commits here that it is not known to have; `null` if nothing is known. */
  pending: number | null
}

export interface Devices {
  devices: Device[]
  /** Whether this device may add and remove others. */
  admin: boolean
}

/** A peer that keeps the pod. The state of the exchange is there once the node has tried. */
export interface Peer {
  key: string
  address: string
  connected?: boolean
  equal?: boolean
  synced_ms?: number | null
  received?: number
  delivered?: number
  pending?: number | null
  error?: string | null
}

export interface Peers {
  peers: Peer[]
  /** Commits that no peer is known to have; `null` as long as none was compared with. */
  undelivered: number | null
}

export interface PeerReport {
  key: string
  address: string
  received: number
  equal: boolean
  error: string | null
}

export interface Tally {
  with: number
  without: number
  unknown: number
}

/** Where a commit is known to be; `devices` counts this one. */
export interface Reach {
  commit: string
  devices: Tally
  peers: Tally
}

export interface Emoji {
  symbol: string
  name: string
}

/** What a person is to compare with what the new device shows. */
export interface Comparison {
  id: number
  /** What the new device calls itself. */
  name: string
  emoji: Emoji[]
}

export interface Pairing {
  open: boolean
  comparison: Comparison | null
  /** A comparison has ended with a no, on one device or the other. */
  refused: boolean
  joined: { key: string; name: string } | null
}

export type Power = 'read' | 'propose' | 'write'

/** Something given to somebody. */
export interface Given {
  grant: string
  to: string
  can: Power | null
  where: string
  view: string
  given_ms: number | null
  until_ms: number | null
  revoked_ms: number | null
  accepted: boolean
  /** The grant in its place, since a device was taken out that knows where this one is kept. */
  moved?: string | null
  /** In whose place it is. */
  instead?: string | null
  /** For anybody. */
  public?: boolean
}

/** Something public of somebody whom this person follows. */
export interface Followed {
  of: string
  view: string
  where: string
  ended: boolean
  entities: number
  missing: number
  newest_ms: number | null
  places: string[]
}

/** A post of somebody who is followed, or a comment. */
export interface TimelinePost {
  entity: EntityId
  of: string
  name: string | null
  at_ms: number
  text: string
  summary: string | null
  url: string | null
  replies: number
  comments: TimelinePost[]
}

export type GroupRole = 'admin' | 'member' | 'reader'

export interface GroupMember {
  did: string
  role: GroupRole
  /** Nobody who could let them in has seen them yet. */
  invited: boolean
  /** When they came, or were invited. */
  since_ms: number | null
}

/** A pod of several people. */
export interface Group {
  group: string
  name: string
  /** `null` for who is out. */
  role: GroupRole | null
  /** The most senior first. */
  members: GroupMember[]
}

/** Something in a group. */
export interface GroupEntity {
  id: EntityId
  state: Record<string, Value | Value[]>
  /** Who wrote there last; `null` if they have not shown who they are. */
  by: string | null
  at_ms: number | null
}

export interface GroupContents {
  entities: GroupEntity[]
  more: boolean
}

/** Something that somebody shares with this person. */
export interface Shared {
  of: string
  view: string
  /** The name of the group, if it is one. */
  group?: string | null
  where: string
  /** `null` once it was taken back, or is over. */
  can: Power | null
  until_ms: number | null
  entities: number
  /** Commits of this person's that nobody has decided about. */
  pending: number
  refused: ({ commit: string; why: string } & Talk)[]
  /** What this person proposed there, the newest first. */
  proposals: MyProposal[]
}

/** What people said about a proposal. */
export interface Talk {
  comments: { from: string; at_ms: number; text: string }[]
  /** Older ones of people who said very much. */
  comments_left_out: number
}

export interface MyProposal extends Talk {
  id: string
  at_ms: number
  comment: string
  changes: Change[]
}

/** A branch of the pod that nobody else sees. */
export interface Draft {
  name: string
  /** Of whose pod; `null`: of one's own. */
  of: string | null
  made_ms: number
  state: 'open' | 'adopted' | 'dropped'
  proposed_ms: number | null
  /** What is not adopted. */
  changes: number
  entities: number
  /** Entities of which it was. */
  adopted: number
}

export interface DraftDiff {
  entities: {
    entity: EntityId
    new: boolean
    attributes: {
      attribute: string
      base: Value[]
      draft: Value[]
      /** What the base said when the draft said it. */
      then: Value[]
      /** It is not what the base says now. */
      changed: boolean
      list: boolean
    }[]
  }[]
}

/** One step of a proposal: `{"assert": {"entity": …, "attribute": …, "value": …}}`. */
export type Change = Record<string, { entity: EntityId; attribute?: string; value?: Value | Value[] }>

export interface Proposal extends Talk {
  /** Where something is shared, to the inbox after that was taken back, or by an app. */
  came: 'shared' | 'late' | 'app'
  id: string
  /** A DID, or a key if they have not said who they are. */
  from: string
  /** By their clock. */
  at_ms: number
  /** Why it did not count; `null` if it was proposed on purpose. */
  why: string | null
  comment: string
  decided: 'adopted' | 'declined' | null
  /** The entities of which it was adopted. */
  adopted: EntityId[]
  changes: Change[]
}

/** What an app wants, or has. */
export interface Scope {
  where: string
  can: Power
}

/** Entities that match, as they are now. */
export interface Sample {
  id: EntityId
  state: Record<string, Value | Value[]>
}

export interface AskedScope extends Scope {
  /** Its own words. */
  why: string
  matches: number
  sample: Sample[]
  /** Why it cannot be given, if it cannot. */
  problem?: string | null
}

/** What an app asks for. Its name and its words are whatever it likes to say. */
export interface Ask {
  request: string
  client_id: string
  name: string
  /** `null` for a program on this machine, which shows a code. */
  origin: string | null
  redirect_uri: string | null
  user_code: string | null
  days: number | null
  /** Whether it had a grant before. */
  known: boolean
  scopes: AskedScope[]
}

export interface Preview {
  where: string
  matches: number
  sample: Sample[]
}

type Used = [used: number, most: number]

/** An app that has a grant, or had one. */
export interface AppGrant {
  id: string
  client_id: string
  name: string
  origin: string | null
  scopes: Scope[]
  given_ms: number
  until_ms: number | null
  revoked_ms: number | null
  last_ms: number | null
  online: boolean
  quota: { changes: Used; bytes: Used; busy_ms: Used }
}

export interface Apps {
  apps: AppGrant[]
  /** Programs that show a code and wait for an answer. */
  waiting: { request: string; name: string; user_code: string; asked_ms: number }[]
}

export interface Activity {
  at_ms: number
  kind: 'query' | 'live' | 'write' | 'propose' | 'entity' | 'file' | 'refused' | 'came' | 'left'
  count: number
  note: string | null
}
