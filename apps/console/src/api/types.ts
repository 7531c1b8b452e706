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
  commit: string
  entities: Record<string, EntityId>
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

export interface EntityDetail {
  id: EntityId
  tuples: EntityTuple[]
  conflicts: { attribute: string; values: (Provenance & { value: Value; winner: boolean })[] }[]
  history: HistoryEntry[]
  history_total: number
  incoming: { entity: EntityId; attribute: string }[]
  incoming_total: number
}

export interface ImportReport {
  recognised: { source: string; label: string; confidence: number } | null
  candidates: { source: string; label: string; confidence: number }[]
  kinds: Record<string, number>
  audiences: Record<string, number>
  from: number | null
  to: number | null
  added: number
  changed: number
  unchanged: number
  kept: number
  skipped: number
  unknown_files: string[]
  unknown_files_total: number
  warnings: string[]
}

export interface ImportJob {
  job: string
  name: string
  dry_run: boolean
  state: 'receiving' | 'reading' | 'ready' | 'importing' | 'done' | 'failed' | 'cancelled'
  progress: { phase: string; done: number; total: number | null }
  report: ImportReport | null
  error: string | null
}
