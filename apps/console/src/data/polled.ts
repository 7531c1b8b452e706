import { useSyncExternalStore } from 'react'
import { api } from '../api/http'
import type { Apps, BackupState, Devices, Draft, Followed, Given, Group, Peers, Proposal, Shared, TimelinePost } from '../api/types'

export interface Polled<T> {
  value: T | null
  /** Why the last attempt failed; the value is then the one of before. */
  error: unknown
}

/**
 * What the pod is asked again and again, because it is no data and no subscription tells of it. Asked only while somebody
 * watches and the page can be seen, one request at a time.
 */
export class Poll<T> {
  readonly #read: (signal: AbortSignal) => Promise<T>
  readonly #everyMs: number
  readonly #watchers = new Set<() => void>()
  #snapshot: Polled<T> = { value: null, error: null }
  #timer: ReturnType<typeof setTimeout> | undefined
  #asking: AbortController | null = null

  constructor(read: (signal: AbortSignal) => Promise<T>, everyMs: number) {
    this.#read = read
    this.#everyMs = everyMs
  }

  readonly snapshot = (): Polled<T> => this.#snapshot

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher)
    if (this.#watchers.size === 1) {
      document.addEventListener('visibilitychange', this.refresh)
      this.refresh()
    }
    return () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size > 0) return
      document.removeEventListener('visibilitychange', this.refresh)
      clearTimeout(this.#timer)
      this.#asking?.abort()
      this.#asking = null
    }
  }

  /** Asks now: something has just been done that changes the answer. */
  readonly refresh = (): void => {
    clearTimeout(this.#timer)
    this.#asking?.abort()
    if (this.#watchers.size === 0 || document.visibilityState === 'hidden') return
    const asking = new AbortController()
    this.#asking = asking
    this.#read(asking.signal).then(
      (value) => this.#done(asking, { value, error: null }),
      (error: unknown) => this.#done(asking, { value: this.#snapshot.value, error }),
    )
  }

  #done(asking: AbortController, next: Polled<T>): void {
    if (this.#asking !== asking) return
    this.#asking = null
    this.#timer = setTimeout(this.refresh, this.#everyMs)
    if (JSON.stringify(next.value) === JSON.stringify(this.#snapshot.value) && next.error === this.#snapshot.error) return
    this.#snapshot = next
    for (const watcher of this.#watchers) watcher()
  }
}

export const peers = new Poll<Peers>((signal) => api.peers(signal), 2_000)
export const devices = new Poll<Devices>((signal) => api.devices(signal), 3_000)

export function usePeers(): Polled<Peers> {
  return useSyncExternalStore(peers.subscribe, peers.snapshot)
}

export function useDevices(): Polled<Devices> {
  return useSyncExternalStore(devices.subscribe, devices.snapshot)
}

export const backups = new Poll<BackupState>((signal) => api.backupState(signal), 5_000)

export function useBackups(): Polled<BackupState> {
  return useSyncExternalStore(backups.subscribe, backups.snapshot)
}

export const grants = new Poll<{ grants: Given[] }>((signal) => api.grants(signal), 3_000)
export const shared = new Poll<{ shared: Shared[] }>((signal) => api.shared(signal), 3_000)
export const proposals = new Poll<{ proposals: Proposal[] }>((signal) => api.proposals(signal), 3_000)

export const drafts = new Poll<{ drafts: Draft[] }>((signal) => api.drafts(signal), 5_000)

export function useDrafts(): Polled<{ drafts: Draft[] }> {
  return useSyncExternalStore(drafts.subscribe, drafts.snapshot)
}

export function useGrants(): Polled<{ grants: Given[] }> {
  return useSyncExternalStore(grants.subscribe, grants.snapshot)
}

export function useShared(): Polled<{ shared: Shared[] }> {
  return useSyncExternalStore(shared.subscribe, shared.snapshot)
}

export function useProposals(): Polled<{ proposals: Proposal[] }> {
  return useSyncExternalStore(proposals.subscribe, proposals.snapshot)
}

export const apps = new Poll<Apps>((signal) => api.apps(signal), 3_000)

export function useApps(): Polled<Apps> {
  return useSyncExternalStore(apps.subscribe, apps.snapshot)
}

export const following = new Poll<{ following: Followed[] }>((signal) => api.following(signal), 5_000)
/** A live query asks sooner when something is new. */
export const posts = new Poll<{ posts: TimelinePost[] }>((signal) => api.timeline(signal), 30_000)

export function useFollowing(): Polled<{ following: Followed[] }> {
  return useSyncExternalStore(following.subscribe, following.snapshot)
}

export function usePosts(): Polled<{ posts: TimelinePost[] }> {
  return useSyncExternalStore(posts.subscribe, posts.snapshot)
}

export const groups = new Poll<{ groups: Group[] }>((signal) => api.groups(signal), 3_000)

export function useGroups(): Polled<{ groups: Group[] }> {
  return useSyncExternalStore(groups.subscribe, groups.snapshot)
}
