import { describe, expect, it } from 'vitest'
import type { LiveRow } from '../api/live'
import { merge } from './merge'

const row = (key: string, index?: number): LiveRow => (index === undefined ? { key, cells: [key] } : { key, cells: [key], index })
const keys = (rows: LiveRow[]) => rows.map((each) => each.key).join('')

describe('merge', () => {
  it('keeps rows without places where they are', () => {
    const rows = [row('a'), row('b'), row('c')]
    const merged = merge(rows, { added: [row('d')], changed: [{ key: 'b', cells: ['new'] }], removed: ['a'] })
    expect(merged).toEqual([{ key: 'b', cells: ['new'] }, row('c'), row('d')])
  })

  it('puts rows with places there', () => {
    const rows = [row('b', 0), row('d', 1)]
    expect(keys(merge(rows, { added: [row('a', 0), row('c', 2), row('e', 4)], changed: [], removed: [] }))).toBe('abcde')
    expect(keys(merge(rows, { added: [], changed: [row('b', 1)], removed: [] }))).toBe('db')
    expect(keys(merge(rows, { added: [row('x', 0)], changed: [], removed: ['b'] }))).toBe('xd')
  })

  it('follows random changes of an ordered window', () => {
    let seed = 1
    const random = (below: number) => {
      seed = (seed * 48271) % 2147483647
      return seed % below
    }
    let truth: { key: string; at: number }[] = []
    let shown: LiveRow[] = []
    const window = () => [...truth].sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1)).slice(0, 12)
    for (let step = 0; step < 2_000; step++) {
      const before = window()
      const what = random(3)
      if (what === 0 || truth.length < 3) truth.push({ key: `k${step}`, at: random(1_000) })
      else if (what === 1) truth = truth.filter((_, at) => at !== random(truth.length))
      else truth = truth.map((each, at) => (at === random(truth.length) ? { ...each, at: random(1_000) } : each))
      const after = window()
      const was = new Map(before.map((each) => [each.key, each]))
      const is = new Map(after.map((each) => [each.key, each]))
      const place = (each: { key: string; at: number }): LiveRow => ({ key: each.key, cells: [each.at], index: after.indexOf(each) })
      shown = merge(shown, {
        added: after.filter((each) => !was.has(each.key)).map(place),
        changed: after.filter((each) => was.has(each.key) && was.get(each.key)?.at !== each.at).map(place),
        removed: before.filter((each) => !is.has(each.key)).map((each) => each.key),
      })
      expect(shown.map((each) => each.key)).toEqual(after.map((each) => each.key))
    }
  })
})
