import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Listener, Live, Subject } from '../api/live'
import { Entities } from './entities'

describe('Entities', () => {
  let asked: { ids: string[]; listener: Listener; stopped: boolean }[]
  let entities: Entities

  beforeEach(() => {
    vi.useFakeTimers()
    asked = []
    const live = {
      subscribe(subject: Subject, listener: Listener) {
        const entry = { ids: 'entities' in subject ? subject.entities : [], listener, stopped: false }
        asked.push(entry)
        return () => {
          entry.stopped = true
        }
      },
    }
    entities = new Entities(live as unknown as Live)
  })

  it('asks once for all ids wanted in one tick', async () => {
    entities.watch('rz:a', () => {})
    entities.watch('rz:b', () => {})
    entities.watch('rz:a', () => {})
    await Promise.resolve()
    expect(asked.map((each) => each.ids)).toEqual([['rz:a', 'rz:b']])
  })

  it('splits very many ids', async () => {
    for (let at = 0; at < 250; at++) entities.watch(`rz:${at}`, () => {})
    await Promise.resolve()
    expect(asked.map((each) => each.ids.length)).toEqual([100, 100, 50])
  })

  it('tells the watchers of a changed entity only, and counts what is news', async () => {
    const a = vi.fn()
    const b = vi.fn()
    entities.watch('rz:a', a)
    entities.watch('rz:b', b)
    await Promise.resolve()
    const { listener } = asked[0] as (typeof asked)[0]
    listener.entities?.({ 'rz:a': { 'x/y': 1 }, 'rz:b': null }, true)
    expect(entities.get('rz:a')).toEqual({ state: { 'x/y': 1 }, revision: 0 })
    listener.entities?.({ 'rz:a': { 'x/y': 2 } }, false)
    expect([a.mock.calls.length, b.mock.calls.length]).toEqual([2, 1])
    expect(entities.get('rz:a')).toEqual({ state: { 'x/y': 2 }, revision: 1 })
    // A reconnection that brings the same state again is no news.
    listener.entities?.({ 'rz:a': { 'x/y': 2 } }, true)
    expect(a).toHaveBeenCalledTimes(2)
  })

  it('ends a subscription when the last watcher of its last id has gone, but not at once', async () => {
    const stopA = entities.watch('rz:a', () => {})
    const stopB = entities.watch('rz:b', () => {})
    await Promise.resolve()
    stopA()
    vi.advanceTimersByTime(5_000)
    expect(asked[0]?.stopped).toBe(false)
    stopB()
    expect(asked[0]?.stopped).toBe(false)
    vi.advanceTimersByTime(5_000)
    expect(asked[0]?.stopped).toBe(true)
    entities.watch('rz:a', () => {})
    await Promise.resolve()
    expect(asked).toHaveLength(2)
  })
})
