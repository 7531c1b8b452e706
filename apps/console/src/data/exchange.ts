import type { Peer, Peers, Reach } from '../api/types'

/** The exchange with other places in words. What is not known is not claimed. */

export type Tone = 'good' | 'busy' | 'bad' | 'idle'

export interface Words {
  tone: Tone
  words: string
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`
}

export function peerWords(peer: Peer): Words {
  if (peer.connected) {
    if (peer.pending === 0) return { tone: 'good', words: 'In step' }
    if (typeof peer.pending === 'number') return { tone: 'busy', words: `${count(peer.pending, 'change')} on the way` }
    return peer.synced_ms ? { tone: 'bad', words: 'Does not keep everything' } : { tone: 'busy', words: 'Comparing' }
  }
  if (peer.error) return { tone: 'bad', words: 'Out of reach' }
  if (peer.connected === undefined) return { tone: 'idle', words: 'Not asked yet' }
  return { tone: 'idle', words: 'Not connected' }
}

/** One line for the status bar. */
export function syncWords({ peers, undelivered }: Peers): Words {
  const inStep = peers.filter((peer) => peer.connected && peer.pending === 0).length
  if (inStep > 0) return { tone: 'good', words: `In step with ${count(inStep, 'peer')}` }
  if (undelivered !== null && undelivered > 0) return { tone: 'busy', words: `${count(undelivered, 'change')} not yet delivered` }
  if (peers.some((peer) => peer.connected)) return { tone: 'busy', words: 'Comparing with a peer' }
  if (undelivered === 0) return { tone: 'idle', words: 'Delivered; no peer connected' }
  if (peers.length === 0) return { tone: 'idle', words: 'No peer keeps this pod' }
  if (peers.some((peer) => peer.error)) return { tone: 'bad', words: 'No peer can be reached' }
  return { tone: 'idle', words: 'Not yet compared with a peer' }
}

/** Where a write is. `devices` counts this one. */
export function reachWords({ devices, peers }: Reach): string {
  const parts: string[] = []
  if (devices.with > 1) parts.push(`on ${count(devices.with, 'device')}`)
  if (peers.with > 0) parts.push(`kept by ${count(peers.with, 'peer')}`)
  const unknown = devices.unknown + peers.unknown
  if (parts.length === 0) {
    return unknown > 0 ? 'on this device; nothing is known of the others' : 'only on this device'
  }
  if (devices.with <= 1) parts.unshift('on this device')
  if (devices.unknown > 0) parts.push(`not known of ${count(devices.unknown, 'other device')}`)
  return parts.join(', ')
}

/** Minutes and seconds that are left. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = count
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
