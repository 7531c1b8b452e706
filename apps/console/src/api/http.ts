import { forget, token } from './session'
import type {
  Activity,
  ApiErrorBody,
  Apps,
  BackupReport,
  BackupState,
  Ask,
  Commits,
  Conflicts,
  Devices,
  Draft,
  ExportFormat,
  DraftDiff,
  EntityDetail,
  EntityId,
  Followed,
  Given,
  Group,
  GroupContents,
  GroupRole,
  ImportJob,
  Operation,
  Pairing,
  PeerReport,
  Peers,
  Position,
  Power,
  Preview,
  Proposal,
  QueryResult,
  Reach,
  Receipt,
  Room,
  Scope,
  SearchAnswer,
  Shared,
  Status,
  Storage,
  Talk,
  TimelinePost,
  UndoneCommit,
} from './types'

/** What the pod answered instead of a result. `position` points into the query text. */
export class ApiError extends Error {
  readonly code: string
  readonly status: number
  readonly hint: string | undefined
  readonly position: Position | undefined

  constructor(status: number, body: ApiErrorBody['error']) {
    super(body.message)
    this.name = 'ApiError'
    this.status = status
    this.code = body.code
    this.hint = body.hint
    this.position = body.position
  }
}

const refused = new Set<() => void>()

/** Tells when the pod refuses this tab's token, so that the page can ask for a new one. */
export function onRefused(listener: () => void): () => void {
  refused.add(listener)
  return () => refused.delete(listener)
}

export function tokenRefused(): void {
  forget()
  for (const listener of refused) listener()
}

async function call<T>(path: string, init: RequestInit = {}): Promise<T> {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${token() ?? ''}`)
  headers.set('rhizome-app', 'console')
  let response: Response
  try {
    response = await fetch(`/api/1${path}`, { ...init, headers, credentials: 'omit', cache: 'no-store' })
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw new ApiError(0, { code: 'unreachable', message: 'The pod does not answer. Is `rhizome up` still running?' })
  }
  if (response.status === 401) tokenRefused()
  if (!response.ok) throw await errorFrom(response)
  return (await response.json()) as T
}

async function errorFrom(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as ApiErrorBody
    return new ApiError(response.status, body.error)
  } catch {
    return new ApiError(response.status, { code: 'unknown', message: `The pod answered with status ${response.status}.` })
  }
}

function json(body: unknown): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

export const api = {
  status: (signal?: AbortSignal) => call<Status>('/status', { signal: signal ?? null }),
  /** `pod` says whose tuples: a DID, or `all`; without it they are one's own. */
  query: (q: string, inputs: unknown[] = [], signal?: AbortSignal, pod?: string) =>
    call<QueryResult>('/query', { ...json({ q, inputs, ...(pod && { pod }) }), signal: signal ?? null }),
  search: (what: { q: string; limit: number; type?: string }, signal?: AbortSignal) =>
    call<SearchAnswer>('/search', { ...json(what), signal: signal ?? null }),
  /** `pod`: the DID of a group, or of who shares something. */
  transact: (operations: Operation[], pod?: string) =>
    call<Receipt>(`/tx${pod === undefined ? '' : `?pod=${encodeURIComponent(pod)}`}`, json(operations)),
  /** `asOf`: as it was at that time, in milliseconds. */
  entity: (id: EntityId, signal?: AbortSignal, asOf?: number) =>
    call<EntityDetail>(`/entity/${encodeURIComponent(id)}${asOf === undefined ? '' : `?as_of=${asOf}`}`, { signal: signal ?? null }),
  /** As `query`, of the pod as it was. */
  queryAsOf: (asOf: number, q: string, inputs: unknown[] = [], signal?: AbortSignal) =>
    call<QueryResult>('/query', { ...json({ q, inputs, as_of: asOf }), signal: signal ?? null }),
  commits: (before: number | null, limit: number, signal?: AbortSignal) =>
    call<Commits>(`/commits?limit=${limit}${before === null ? '' : `&before=${before}`}`, { signal: signal ?? null }),
  commitTimes: (signal?: AbortSignal) => call<{ times: number[]; total: number }>('/commits/times', { signal: signal ?? null }),
  /** What it said of one entity, or all of it. */
  undoCommit: (commit: string, entity?: EntityId) => call<UndoneCommit>('/undo', json({ commit, ...(entity && { entity }) })),
  /** Everything as a file, from an address that is good once. */
  exportAs: (format: ExportFormat) => call<{ export: string; url: string; seconds: number }>('/export', json({ format })),
  storage: (signal?: AbortSignal) => call<Storage>('/storage', { signal: signal ?? null }),
  limitFiles: (limit: number | null) => call<Room>('/storage', json({ limit })),
  recoveryWords: () => call<{ words: string[] }>('/recovery/words', json({})),
  confirmRecovery: (answers: Record<string, string>) => call<{ confirmed: boolean }>('/recovery/confirm', json({ answers })),
  testRecovery: (words: string) => call<{ ok: boolean; policy: number; policies: number }>('/recovery/test', json({ words })),
  conflicts: (signal?: AbortSignal) => call<Conflicts>('/conflicts', { signal: signal ?? null }),
  devices: (signal?: AbortSignal) => call<Devices>('/devices', { signal: signal ?? null }),
  nameDevice: (key: string, name: string) => call<{ key: string; name: string }>('/devices/name', json({ key, name })),
  removeDevice: (key: string) => call<{ removed: string }>('/devices/remove', json({ key })),
  pair: (member: boolean, compare: boolean) => call<{ code: string; seconds: number }>('/pair', json({ member, compare })),
  pairing: (signal?: AbortSignal) => call<Pairing>('/pair', { signal: signal ?? null }),
  confirmPairing: (id: number, same: boolean) => call<{ same: boolean }>('/pair/confirm', json({ id, same })),
  unpair: () => call<{ open: boolean }>('/pair', { method: 'DELETE', keepalive: true }),
  peers: (signal?: AbortSignal) => call<Peers>('/peers', { signal: signal ?? null }),
  addPeer: (address: string) => call<PeerReport>('/peers', json({ address })),
  removePeer: (key: string) => call<{ removed: string }>('/peers/remove', json({ key })),
  sync: () => call<{ peers: PeerReport[] }>('/sync', json({})),
  reach: (commit: string, signal?: AbortSignal) => call<Reach>(`/reach/${encodeURIComponent(commit)}`, { signal: signal ?? null }),
  grants: (signal?: AbortSignal) => call<{ grants: Given[] }>('/grants', { signal: signal ?? null }),
  grant: (terms: { where: string; can: Power; to: string; until_ms?: number }) =>
    call<Given & { invite: string; sent: boolean }>('/grants', json(terms)),
  revoke: (grant: string) => call<Given & { sent: boolean }>('/grants/revoke', json({ grant })),
  accept: (invite: string) => call<Shared>('/accept', json({ invite })),
  /** Makes it public, to read: there is no invitation. */
  publish: (terms: { where: string; until_ms?: number }) => call<Given & { sent: boolean }>('/grants', json({ ...terms, can: 'read', to: 'anyone' })),
  follow: (did: string, at?: string) => call<{ following: Followed[] }>('/follow', json({ did, ...(at !== undefined && { at }) })),
  unfollow: (did: string) => call<{ unfollowed: string; views: number }>('/unfollow', json({ did })),
  following: (signal?: AbortSignal) => call<{ following: Followed[] }>('/following', { signal: signal ?? null }),
  timeline: (signal?: AbortSignal) => call<{ posts: TimelinePost[] }>('/timeline', { signal: signal ?? null }),
  shared: (signal?: AbortSignal) => call<{ shared: Shared[] }>('/shared', { signal: signal ?? null }),
  forgetShared: (view: string) => call<{ forgotten: string }>('/shared/forget', json({ view })),
  groups: (signal?: AbortSignal) => call<{ groups: Group[] }>('/groups', { signal: signal ?? null }),
  createGroup: (name: string) => call<Group & { sent: boolean }>('/groups', json({ name })),
  inGroup: (group: string, limit: number, signal?: AbortSignal) =>
    call<GroupContents>(`/groups/contents?group=${encodeURIComponent(group)}&limit=${limit}`, { signal: signal ?? null }),
  inviteToGroup: (group: string, to: string, as: GroupRole) =>
    call<{ group: string; to: string; as: GroupRole; invite: string; sent: boolean }>('/groups/invite', json({ group, to, as })),
  removeFromGroup: (group: string, member: string) => call<Group & { sent: boolean }>('/groups/remove', json({ group, member })),
  /** Brings a file to this device. It goes to others once a tuple names it. */
  bringFile: (file: Blob) =>
    call<{ blob: string; bytes: number }>('/blob', { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: file }),
  leaveGroup: (group: string) => call<{ left: string }>('/groups/leave', json({ group })),
  proposals: (signal?: AbortSignal) => call<{ proposals: Proposal[] }>('/proposals', { signal: signal ?? null }),
  undo: (id: string) => call<Proposal & { kept: { entity: EntityId; attribute: string }[] }>('/proposals/undo', json({ id })),
  drafts: (signal?: AbortSignal) => call<{ drafts: Draft[] }>('/drafts', { signal: signal ?? null }),
  newDraft: (name: string, of: string | null) => call<Draft>('/drafts', json({ name, of })),
  draftTx: (name: string, changes: Operation[]) => call<{ draft: Draft; entities: Record<string, EntityId> }>('/drafts/tx', json({ name, changes })),
  draftDiff: (name: string, signal?: AbortSignal) => call<DraftDiff>('/drafts/diff', { ...json({ name }), signal: signal ?? null }),
  adoptDraft: (name: string, entity?: EntityId) => call<Draft>('/drafts/adopt', json({ name, ...(entity && { entity }) })),
  undoDraft: (name: string) => call<Draft & { kept: { entity: EntityId; attribute: string }[] }>('/drafts/undo', json({ name })),
  proposeDraft: (name: string, to: string, comment: string) => call<Draft & { proposed: string }>('/drafts/propose', json({ name, to, comment })),
  dropDraft: (name: string, forGood: boolean) => call<{ dropped: string }>('/drafts/drop', json({ name, for_good: forGood })),
  /** As `query`, of a draft. */
  queryDraft: (draft: string, q: string, signal?: AbortSignal) => call<QueryResult>('/query', { ...json({ q, draft }), signal: signal ?? null }),
  comment: (id: string, text: string) => call<{ id: string } & Talk>('/proposals/comment', json({ id, text })),
  decide: (id: string, adopt: boolean, entity?: EntityId) => call<Proposal>('/proposals', json({ id, adopt, ...(entity && { entity }) })),
  /** What the app in this address asks for; the address is the page's own, without the question mark. */
  ask: (query: string, signal?: AbortSignal) => call<Ask>('/apps/ask', { ...json({ query }), signal: signal ?? null }),
  preview: (where: string, signal?: AbortSignal) => call<Preview>('/apps/preview', { ...json({ where }), signal: signal ?? null }),
  /** `scopes` in the order of those that were asked for; `null` is not given. */
  allow: (request: string, scopes: (Scope | null)[], days: number | null) =>
    call<{ redirect: string | null }>('/apps/allow', json({ request, scopes, days })),
  deny: (request: string) => call<{ redirect: string | null }>('/apps/deny', json({ request })),
  apps: (signal?: AbortSignal) => call<Apps>('/apps', { signal: signal ?? null }),
  revokeApp: (id: string) => call<unknown>('/apps/revoke', json({ id })),
  appActivity: (id: string, signal?: AbortSignal) =>
    call<{ activity: Activity[] }>(`/apps/${encodeURIComponent(id)}/activity`, { signal: signal ?? null }),
  backupState: (signal?: AbortSignal) => call<BackupState>('/backup', { signal: signal ?? null }),
  /** Makes one now, and remembers where and how often; it may take long. */
  backup: (directory: string, hours: number) => call<BackupReport>('/backup', json({ directory, hours })),
  forgetBackup: () => call<BackupState>('/backup', { method: 'DELETE' }),
  importPath: (path: string) => call<ImportJob>('/import?dry-run', json({ path })),
  importJob: (job: string, signal?: AbortSignal) => call<ImportJob>(`/import/${job}`, { signal: signal ?? null }),
  importRun: (job: string) => call<ImportJob>(`/import/${job}`, json({})),
  importDrop: (job: string) => call<ImportJob>(`/import/${job}`, { method: 'DELETE' }),
}

/**
 * Sends a file to be looked at. XMLHttpRequest and not fetch: only it reports how much has been sent.
 * The answer is a dry-run job; nothing is written to the pod until it is run.
 */
export function upload(file: File, progress: (sent: number) => void, signal: AbortSignal): Promise<ImportJob> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', `/api/1/import?dry-run&name=${encodeURIComponent(file.name)}`)
    request.setRequestHeader('authorization', `Bearer ${token() ?? ''}`)
    request.setRequestHeader('content-type', 'application/octet-stream')
    request.responseType = 'json'
    request.upload.onprogress = (event) => progress(event.loaded)
    request.onload = () => {
      if (request.status === 401) tokenRefused()
      if (request.status >= 200 && request.status < 300) resolve(request.response as ImportJob)
      else {
        const body = request.response as ApiErrorBody | null
        reject(new ApiError(request.status, body?.error ?? { code: 'unknown', message: `Status ${request.status}` }))
      }
    }
    request.onerror = () =>
      reject(new ApiError(0, { code: 'unreachable', message: 'The pod stopped answering while the file was being sent.' }))
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'))
    signal.addEventListener('abort', () => request.abort())
    request.send(file)
  })
}

/** `<img>` and `<video>` cannot send headers, so blobs have a short token of their own that opens nothing else. */
export function blobUrl(cid: string, blobToken: string, size?: 320 | 640 | 1280): string {
  return `/api/1/blob/${encodeURIComponent(cid)}?t=${encodeURIComponent(blobToken)}${size ? `&size=${size}` : ''}`
}
