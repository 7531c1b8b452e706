import { expect, it } from 'vitest'
import type { Peer } from '../api/types'
import { clock, peerWords, reachWords, syncWords } from './exchange'

const peer = (state: Partial<Peer> = {}): Peer => ({ key: 'did:key:z', address: 'rhizome:x', ...state })
const on: Partial<Peer> = { connected: true, synced_ms: 1, equal: true }

it('says of a peer only what is known', () => {
  expect(peerWords(peer()).words).toBe('Not asked yet')
  expect(peerWords(peer({ connected: true, synced_ms: null, pending: null })).words).toBe('Comparing')
  expect(peerWords(peer({ ...on, pending: 0 })).words).toBe('In step')
  expect(peerWords(peer({ ...on, pending: 1 })).words).toBe('1 change on the way')
  expect(peerWords(peer({ ...on, equal: false, pending: null })).words).toBe('Does not keep everything')
  expect(peerWords(peer({ connected: false, pending: 0, error: 'timed out' }))).toEqual({ tone: 'bad', words: 'Out of reach' })
  expect(peerWords(peer({ connected: false, pending: 0, error: null })).words).toBe('Not connected')
})

it('sums up for the status bar', () => {
  const words = (peers: Peer[], undelivered: number | null) => syncWords({ peers, undelivered }).words
  expect(words([], null)).toBe('No peer keeps this pod')
  expect(words([peer()], null)).toBe('Not yet compared with a peer')
  expect(words([peer({ connected: false, error: 'x' })], null)).toBe('No peer can be reached')
  expect(words([peer({ ...on, pending: 0 })], 0)).toBe('In step with 1 peer')
  expect(words([peer({ ...on, pending: 0 }), peer({ ...on, pending: 0 })], 0)).toBe('In step with 2 peers')
  expect(words([peer({ ...on, pending: 2 })], 2)).toBe('2 changes not yet delivered')
  expect(words([peer({ connected: false, pending: 1 })], 1)).toBe('1 change not yet delivered')
  expect(words([peer({ connected: false, pending: 0 })], 0)).toBe('Delivered; no peer connected')
  expect(words([peer({ connected: true })], null)).toBe('Comparing with a peer')
})

it('says where a write is', () => {
  const none = { with: 0, without: 0, unknown: 0 }
  const words = (devices: object, peers: object) =>
    reachWords({ commit: 'b', devices: { ...none, ...devices }, peers: { ...none, ...peers } })
  expect(words({ with: 1 }, {})).toBe('only on this device')
  expect(words({ with: 1, without: 1 }, { without: 1 })).toBe('only on this device')
  expect(words({ with: 1, unknown: 1 }, {})).toBe('on this device; nothing is known of the others')
  expect(words({ with: 2 }, {})).toBe('on 2 devices')
  expect(words({ with: 1 }, { with: 1 })).toBe('on this device, kept by 1 peer')
  expect(words({ with: 2, unknown: 1 }, { with: 2 })).toBe('on 2 devices, kept by 2 peers, not known of 1 other device')
})

it('counts down', () => {
  expect([120, 119.2, 60, 9.1, 0, -3].map(clock)).toEqual(['2:00', '2:00', '1:00', '0:10', '0:00', '0:00'])
})
