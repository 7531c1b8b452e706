import { useCallback, useSyncExternalStore } from 'react'
import type { EntityState, Live } from '../api/live'
import { live } from '../api/pod'
import type { EntityId } from '../api/types'

/** What is known of an entity. `revision` grows with each change that arrived after the first state. */
export interface Known {
  state: EntityState | null
  revision: number
}

interface Batch {
  ids: EntityId[]
  stop: () => void
}

const BATCH = 100
const KEPT = 5_000

/**
 * Live states of entities. Components ask for single ids; ids asked for in one tick share one subscription, and a
 * subscription ends when nobody watches any of its ids. States stay for a while so that scrolling back is instant.
 */
export class Entities {
  readonly #live: Live
  readonly #known = new Map<EntityId, Known>()
  readonly #watchers = new Map<EntityId, Set<() => void>>()
  readonly #batchOf = new Map<EntityId, Batch>()
  #wanted: EntityId[] = []
  #scheduled = false

  constructor(connection: Live) {
    this.#live = connection
  }

  get(id: EntityId): Known | undefined {
    return this.#known.get(id)
  }

  watch(id: EntityId, watcher: () => void): () => void {
    const watchers = this.#watchers.get(id) ?? new Set()
    watchers.add(watcher)
    this.#watchers.set(id, watchers)
    if (!this.#batchOf.has(id)) this.#want(id)
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#watchers.get(id) === watchers) {
        this.#watchers.delete(id)
        this.#release(id)
      }
    }
  }

  #want(id: EntityId): void {
    this.#wanted.push(id)
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      const ids = [...new Set(this.#wanted)].filter((each) => this.#watchers.has(each) && !this.#batchOf.has(each))
      this.#wanted = []
      for (let at = 0; at < ids.length; at += BATCH) this.#open(ids.slice(at, at + BATCH))
    })
  }

  #open(ids: EntityId[]): void {
    const batch: Batch = { ids, stop: () => {} }
    for (const id of ids) this.#batchOf.set(id, batch)
    batch.stop = this.#live.subscribe(
      { entities: ids },
      { entities: (states, first) => this.#receive(states, first) },
    )
  }

  #receive(states: Record<EntityId, EntityState | null>, first: boolean): void {
    for (const [id, state] of Object.entries(states)) {
      const before = this.#known.get(id)
      // A first state repeats what a kept one may already say: that is no news.
      if (before && first && JSON.stringify(before.state) === JSON.stringify(state)) continue
      this.#known.delete(id)
      this.#known.set(id, { state, revision: before ? before.revision + 1 : 0 })
      for (const watcher of this.#watchers.get(id) ?? []) watcher()
    }
    this.#forgetOldest()
  }

  #release(id: EntityId): void {
    // Later, so that a component which moves (unmounts here, mounts there) does not end the subscription.
    setTimeout(() => {
      const batch = this.#batchOf.get(id)
      if (!batch || batch.ids.some((each) => this.#watchers.has(each))) return
      for (const each of batch.ids) this.#batchOf.delete(each)
      batch.stop()
    }, 2_000)
  }

  #forgetOldest(): void {
    if (this.#known.size <= KEPT) return
    for (const id of this.#known.keys()) {
      if (this.#known.size <= KEPT) return
      if (!this.#batchOf.has(id)) this.#known.delete(id)
    }
  }
}

export const entities = new Entities(live)

/** `undefined` until it is known; its `state` is `null` when the entity has no tuples. */
export function useEntity(id: EntityId | null): Known | undefined {
  const subscribe = useCallback((watcher: () => void) => (id ? entities.watch(id, watcher) : () => {}), [id])
  return useSyncExternalStore(subscribe, () => (id ? entities.get(id) : undefined))
}

/** Several at once, in the order asked for. */
export function useEntities(ids: readonly EntityId[]): (Known | undefined)[] {
  const key = ids.join(' ')
  const subscribe = useCallback(
    (watcher: () => void) => {
      const stops = key.split(' ').map((id) => entities.watch(id, watcher))
      return () => {
        for (const stop of stops) stop()
      }
    },
    [key],
  )
  // A snapshot must be the same value as long as nothing changed: the revisions are.
  useSyncExternalStore(subscribe, () => ids.map((id) => entities.get(id)?.revision ?? '').join())
  return ids.map((id) => entities.get(id))
}
