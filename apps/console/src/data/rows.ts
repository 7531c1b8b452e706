import { useMemo, useSyncExternalStore } from 'react'
import type { Live, LiveRow } from '../api/live'
import { merge } from './merge'
import { live } from '../api/pod'
import type { ApiErrorBody } from '../api/types'

export interface Rows {
  state: 'loading' | 'ready' | 'failed'
  columns: string[]
  rows: readonly LiveRow[]
  /** Keys of rows that arrived after the first result. */
  fresh: ReadonlySet<string>
  error: ApiErrorBody['error'] | null
}

const LOADING: Rows = { state: 'loading', columns: [], rows: [], fresh: new Set(), error: null }

/**
 * A live query as an external store. Changes are merged by row key and published at most once per
 * animation frame: a burst of commits costs one render.
 */
export class LiveRows {
  readonly #live: Live
  readonly #q: string
  readonly #inputs: unknown[]
  readonly #pod: 'followed' | undefined
  readonly #listeners = new Set<() => void>()
  #rows: LiveRow[] = []
  #fresh = new Set<string>()
  #snapshot: Rows = LOADING
  #stop: (() => void) | null = null
  #frame = 0

  constructor(connection: Live, q: string, inputs: unknown[], pod?: 'followed') {
    this.#live = connection
    this.#q = q
    this.#inputs = inputs
    this.#pod = pod
  }

  readonly snapshot = (): Rows => this.#snapshot

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    this.#stop ??= this.#start()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      cancelAnimationFrame(this.#frame)
      this.#frame = 0
      this.#stop?.()
      this.#stop = null
    }
  }

  #start(): () => void {
    return this.#live.subscribe(
      { q: this.#q, inputs: this.#inputs, ...(this.#pod && { pod: this.#pod }) },
      {
        reset: (columns, rows) => {
          // After a reconnection only what was not there before counts as fresh.
          const known = this.#snapshot.state === 'ready' ? new Set(this.#rows.map((row) => row.key)) : null
          this.#rows = rows
          if (known) {
            for (const row of rows) if (!known.has(row.key)) this.#fresh.add(row.key)
          }
          this.#publish({ columns })
        },
        changed: (difference) => {
          this.#rows = merge(this.#rows, difference)
          for (const key of difference.removed) this.#fresh.delete(key)
          for (const { key } of [...difference.added, ...difference.changed]) this.#fresh.add(key)
          this.#frame ||= requestAnimationFrame(() => {
            this.#frame = 0
            this.#publish({})
          })
        },
        failed: (error) => {
          this.#snapshot = { ...this.#snapshot, state: 'failed', error }
          for (const listener of this.#listeners) listener()
        },
      },
    )
  }

  #publish(change: { columns?: string[] }): void {
    this.#snapshot = {
      state: 'ready',
      columns: change.columns ?? this.#snapshot.columns,
      rows: this.#rows,
      fresh: new Set(this.#fresh),
      error: null,
    }
    for (const listener of this.#listeners) listener()
  }
}

/** The result of a query, kept true. `null` asks nothing. */
export function useRows(q: string | null, inputs: unknown[] = []): Rows {
  const key = JSON.stringify(inputs)
  const store = useMemo(() => (q === null ? null : new LiveRows(live, q, JSON.parse(key) as unknown[])), [q, key])
  return useSyncExternalStore(store?.subscribe ?? subscribeToNothing, store?.snapshot ?? loading)
}

/** As [useRows], of what is followed. */
export function useFollowedRows(q: string): Rows {
  const store = useMemo(() => new LiveRows(live, q, [], 'followed'), [q])
  return useSyncExternalStore(store.subscribe, store.snapshot)
}

const subscribeToNothing = () => () => {}
const loading = () => LOADING
