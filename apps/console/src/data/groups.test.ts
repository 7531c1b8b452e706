import { expect, it } from 'vitest'
import type { Group, GroupMember } from '../api/types'
import { addition, edits, fields, firstFile, isAlone, mayLeave, mayRemove, mayWrite, standing, takeAway, typed } from './groups'

const member = (did: string, role: GroupMember['role'], invited = false): GroupMember => ({ did, role, invited, since_ms: null })
const group = (role: Group['role'], ...members: GroupMember[]): Group => ({ group: 'did:rhizome:g', name: 'g', role, members })

it('knows how somebody stands, and whom an admin removes', () => {
  const all = [member('a', 'admin'), member('b', 'admin'), member('c', 'admin'), member('d', 'member'), member('e', 'admin', true)]
  const as = (own: string) => {
    const role = all.find((each) => each.did === own)?.role ?? null
    return all.filter((each) => mayRemove(group(role, ...all), own, each)).map((each) => each.did)
  }
  expect(as('a')).toEqual(['b', 'c', 'd', 'e'])
  expect(as('b')).toEqual(['c', 'd', 'e'])
  expect(as('d')).toEqual([])
  // invited as an admin is none yet
  expect(as('e')).toEqual([])
  expect(standing(group('admin', ...all), 'e')).toBe('waiting')
  expect(mayWrite(group('admin', ...all), 'e')).toBe(false)
  expect(mayWrite(group('reader', member('a', 'reader')), 'a')).toBe(false)
  expect(mayWrite(group('member', member('a', 'member')), 'a')).toBe(true)
  expect(standing(group(null), 'a')).toBe('out')
  expect(mayLeave(group('admin', ...all), 'a')).toBe(true)
  expect(mayLeave(group('admin', member('a', 'admin'), member('b', 'member')), 'a')).toBe(false)
  expect(mayLeave(group('admin', member('a', 'admin'), member('b', 'admin', true)), 'a')).toBe(false)
  expect(mayLeave(group('admin', member('a', 'admin')), 'a')).toBe(true)
  expect(mayLeave(group('member', member('b', 'admin'), member('a', 'member')), 'a')).toBe(true)
  expect(isAlone(group('admin', member('a', 'admin'), member('b', 'member', true)), 'a')).toBe(true)
  expect(isAlone(group('admin', member('a', 'admin'), member('b', 'reader')), 'a')).toBe(false)
})

it('keeps kinds of values, and changes only what was touched', () => {
  const state = { title: 'Lake', year: 2026, open: true, deep: 2.5, at: { time: 5 }, tags: ['a', 'b'], text: 'cold' }
  expect(fields(state).map((each) => [each.attribute, each.plain])).toEqual([
    ['title', 'Lake'],
    ['text', 'cold'],
    ['at', null],
    ['deep', 2.5],
    ['open', true],
    ['tags', null],
    ['year', 2026],
  ])
  const drafts = new Map([
    ['title', 'Lake'],
    ['year', ' 2027 '],
    ['open', 'false'],
    ['text', ' '],
    ['deep', 'very'],
    ['at', '7'],
  ])
  expect(edits('rz:x', state, drafts)).toEqual([
    { retract: { entity: 'rz:x', attribute: 'text' } },
    { assert: { entity: 'rz:x', attribute: 'open', value: false } },
    { assert: { entity: 'rz:x', attribute: 'year', value: 2027 } },
  ])
  expect(typed('9007199254740993', 1)).toBeNull()
  expect(typed('1e3', 1.5)).toBe(1000)
  expect(takeAway('rz:x', { title: 'a', tags: ['b'] })).toEqual([
    { retract: { entity: 'rz:x', attribute: 'title' } },
    { retract: { entity: 'rz:x', attribute: 'tags' } },
  ])
})

it('adds what was typed, and nothing empty', () => {
  const said = (title: string, text: string, picture: string | null) => addition({ title, text, picture }).map((each) => ('assert' in each ? [each.assert.attribute, each.assert.value] : []))
  expect(said(' Lake ', '  ', null)).toEqual([['title', 'Lake']])
  expect(said('Lake', 'cold\n', 'bafy')).toEqual([
    ['title', 'Lake'],
    ['text', 'cold'],
    ['picture', { blob: 'bafy' }],
  ])
  expect(firstFile({ a: 'x', b: ['y', { blob: 'c' }] })).toBe('c')
  expect(firstFile({ a: 'x', at: { time: 4 } })).toBeNull()
})
