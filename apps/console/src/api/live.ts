import type { ApiErrorBody, Cell, EntityId, Status, Value } from './types'

/** A row of a live query. The key stays the same for as long as the row is in the result. */
export interface LiveRow {
  key: string
  cells: Cell[]
  /** Its place in the result, from 0; absent if the result has no order. */
  index?: number
}

/** What a commit did to a result. */
export interface Difference {
  added: LiveRow[]
  /** Rows whose cells or place changed; their keys did not. */
  changed: LiveRow[]
  removed: string[]
}

/** What a subscription hears. All members are optional to implement. */
export interface Listener {
  /** The whole result: at first, after a reconnection, and when this client was too slow to be sent every change. */
  reset?(columns: string[], rows: LiveRow[]): void
  changed?(difference: Difference): void
  entities?(states: Record<EntityId, EntityState | null>, first: boolean): void
  status?(status: Status): void
  failed?(error: ApiErrorBody['error']): void
}

/** The current tuples of one entity: one value, or a list for sets and lists. `null` when it has none. */
export type EntityState = Record<string, Value | Value[]>

/** `pod: 'followed'`: of what is followed, and not of the pod. */
export type Subject = { q: string; inputs: unknown[]; pod?: 'followed' } | { entities: EntityId[] } | { status: true }

export type Connection = 'connecting' | 'open' | 'lost' | 'refused'

type WireRow = [key: string, cells: Cell[], index?: number]

interface Message {
  ready?: boolean
  id?: number
  columns?: string[]
  rows?: WireRow[]
  reset?: boolean
  done?: boolean
  added?: WireRow[]
  changed?: WireRow[]
  removed?: string[]
  entities?: Record<EntityId, EntityState | null>
  status?: Status
  error?: ApiErrorBody['error']
}

interface Subscription {
  subject: Subject
  listener: Listener
  columns: string[]
  arriving: LiveRow[]
  seenEntities: boolean
}

/** The part of WebSocket that is used; tests give their own. */
export interface Socket {
  send(data: string): void
  close(): void
  onopen: ((event: Event) => void) | null
  onmessage: ((event: MessageEvent) => void) | null
  onclose: ((event: CloseEvent) => void) | null
}

const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 10_000
const CLOSE_UNAUTHORISED = 4401

/**
 * One WebSocket for the page. Subscriptions outlive it: after a loss they are sent again and begin with a `reset`,
 * so a listener never has to know that the connection was gone.
 */
export class Live {
  readonly #open: () => Socket
  readonly #token: () => string | null
  readonly #subscriptions = new Map<number, Subscription>()
  readonly #watchers = new Set<(state: Connection) => void>()
  #socket: Socket | null = null
  #state: Connection = 'connecting'
  #ready = false
  #nextId = 1
  #retryMs = FIRST_RETRY_MS
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(open: () => Socket, token: () => string | null) {
    this.#open = open
    this.#token = token
  }

  get state(): Connection {
    return this.#state
  }

  watch(watcher: (state: Connection) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  subscribe(subject: Subject, listener: Listener): () => void {
    const id = this.#nextId++
    this.#subscriptions.set(id, { subject, listener, columns: [], arriving: [], seenEntities: false })
    if (this.#ready) this.#send({ subscribe: id, ...subject })
    else this.connect()
    return () => {
      if (this.#subscriptions.delete(id) && this.#ready) this.#send({ unsubscribe: id })
    }
  }

  connect(): void {
    if (this.#socket || !this.#token()) return
    clearTimeout(this.#timer)
    if (this.#state !== 'lost') this.#become('connecting')
    const socket = this.#open()
    this.#socket = socket
    socket.onopen = () => this.#send({ auth: this.#token() })
    socket.onmessage = (event) => this.#receive(JSON.parse(String(event.data)) as Message)
    socket.onclose = (event) => this.#closed(event.code)
  }

  #closed(code: number): void {
    this.#socket = null
    this.#ready = false
    for (const subscription of this.#subscriptions.values()) subscription.seenEntities = false
    if (code === CLOSE_UNAUTHORISED) {
      this.#become('refused')
      return
    }
    this.#become('lost')
    this.#timer = setTimeout(() => this.connect(), this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
  }

  #receive(message: Message): void {
    if (message.ready) {
      this.#ready = true
      this.#retryMs = FIRST_RETRY_MS
      this.#become('open')
      for (const [id, { subject }] of this.#subscriptions) this.#send({ subscribe: id, ...subject })
      return
    }
    const subscription = message.id === undefined ? undefined : this.#subscriptions.get(message.id)
    if (subscription) deliver(subscription, message)
  }

  #send(message: object): void {
    this.#socket?.send(JSON.stringify(message))
  }

  #become(state: Connection): void {
    this.#state = state
    for (const watcher of this.#watchers) watcher(state)
  }
}

/** A large result arrives in several messages: the first says `reset`, the last says `done`. */
function deliver(subscription: Subscription, message: Message): void {
  const { listener } = subscription
  if (message.error) listener.failed?.(message.error)
  if (message.status) listener.status?.(message.status)
  if (message.entities) {
    listener.entities?.(message.entities, !subscription.seenEntities)
    subscription.seenEntities = true
  }
  if (message.rows) {
    if (message.reset) {
      subscription.arriving = []
      subscription.columns = message.columns ?? []
    }
    for (const row of message.rows) subscription.arriving.push(fromWire(row))
    if (message.done) {
      const rows = subscription.arriving
      subscription.arriving = []
      listener.reset?.(subscription.columns, rows)
    }
  }
  if (message.added || message.changed || message.removed) {
    const { added = [], changed = [], removed = [] } = message
    listener.changed?.({ added: added.map(fromWire), changed: changed.map(fromWire), removed })
  }
}

function fromWire([key, cells, index]: WireRow): LiveRow {
  return index === undefined ? { key, cells } : { key, cells, index }
}
