import { expect, it } from 'vitest'
import type { AskedScope } from '../api/types'
import { activityWords, appName, bytesWords, choices, given, narrowed, originNote, theirs, untilChoices, untilDays, userCode } from './apps'

const asked: AskedScope = { where: 'is-photo: true', can: 'write', why: '', matches: 1, sample: [], problem: null }

it('an app’s words are one line of bounded length that cannot end its quotes', () => {
  expect(theirs('  Album\n\n captions\t', 60)).toBe('Album captions')
  expect(theirs('Album” is from your pod. “Allow', 60)).toBe('Album’ is from your pod. ’Allow')
  expect(theirs('evil\u202egnp.exe\u2066\u200b', 60)).toBe('evil gnp.exe')
  expect(theirs('a\u0301\u0301\u0301\u0301\u0301\u0301', 60)).toBe('a\u0301\u0301')
  expect([...theirs('🌲'.repeat(100), 60)]).toHaveLength(60)
  expect(theirs('x'.repeat(1_000_000), 10)).toBe('xxxxxxxxx…')
  for (const nothing of ['', ' \n', '\u3164\u2800\u200b', '\u{e0041}']) expect(appName(nothing)).toBe('no name')
})

it('offers no more than was asked', () => {
  expect(choices('write').map(({ power }) => power)).toEqual(['write', 'propose', 'read'])
  expect(choices('propose').map(({ power }) => power)).toEqual(['propose', 'read'])
  expect(choices('read').map(({ power }) => power)).toEqual(['read'])
})

it('gives what was decided', () => {
  expect(given(asked, { can: 'write', also: ' ' })).toEqual({ where: 'is-photo: true', can: 'write' })
  expect(given(asked, { can: 'read', also: ' album: a || album: b ' })).toEqual({ where: 'album: a || album: b', can: 'read' })
  expect(given(asked, { can: null, also: '' })).toBe(null)
  expect(given({ ...asked, problem: 'no such thing' }, { can: 'read', also: '' })).toBe(null)
})

it('joins predicates only if each is one', () => {
  expect(narrowed('a: 1', '')).toBe('a: 1')
  expect(narrowed('a: 1', 'b: 1 || b: 2')).toBe('(a: 1) && (b: 1 || b: 2)')
  for (const bad of ['b: 1) || (c: 1', 'b', '&& b: 1']) expect(narrowed('a: 1', bad)).toBe(null)
})

it('says what an address hides', () => {
  expect(originNote('http://localhost:5173')).toMatch(/on this machine/)
  expect(originNote('http://[::1]:5173')).toMatch(/on this machine/)
  expect(originNote('https://xn--80ak6aa92e.com')).toMatch(/look like others/)
  expect(originNote('http://photos.example')).toMatch(/not a secure one/)
  expect(originNote('https://photos.example')).toBe(null)
  expect(originNote('https://localhost.example')).toBe(null)
})

it('ends when one says', () => {
  expect(untilChoices(30).map(({ until }) => until)).toEqual(['asked', 'day', 'week', 'none'])
  expect(untilChoices(3)[0]?.label).toBe('3 days (as it asked)')
  expect(untilChoices(null).map(({ until }) => until)).toEqual(['asked', 'day', 'week', 'month'])
  expect([untilDays('asked', 3), untilDays('asked', null), untilDays('week', 3), untilDays('none', 3)]).toEqual([3, null, 7, null])
})

it('reads a code as people type it', () => {
  expect(userCode('abcd efgh')).toBe('ABCD-EFGH')
  expect(userCode(' abcd-efgh\n')).toBe('ABCD-EFGH')
  expect(userCode('abc')).toBe('ABC')
})

it('says what an app did', () => {
  expect(activityWords({ kind: 'query', count: 1 })).toBe('asked once')
  expect(activityWords({ kind: 'write', count: 2 })).toBe('wrote 2 times')
  expect(activityWords({ kind: 'refused', count: 3 })).toBe('was refused something 3 times')
  expect([bytesWords(0), bytesWords(1_234), bytesWords(64_000_000)]).toEqual(['0 B', '1.2 kB', '64 MB'])
})
