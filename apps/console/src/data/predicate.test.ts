import { expect, it } from 'vitest'
import { attributes, clauses, isFault, type Predicate, plainly, predicateWords, readPredicate } from './predicate'

const read = (text: string): Predicate => {
  const found = readPredicate(text)
  if (isFault(found)) throw new Error(`${text}: ${found.at}: ${found.what}`)
  return found
}
const words = (text: string) => plainly(read(text))

it('reads what the pod reads', () => {
  expect(read('is-photo: true')).toEqual({ kind: 'is', attribute: 'is-photo', value: true })
  expect(read(' year<2025 ')).toEqual({ kind: 'most', attribute: 'year', value: 2024 })
  expect(read('year > -3')).toEqual({ kind: 'least', attribute: 'year', value: -2 })
  expect(read('social/type:post')).toEqual({ kind: 'is', attribute: 'social/type', value: 'post' })
  expect(read('a: "say \\"ä\\"\\n"')).toEqual({ kind: 'is', attribute: 'a', value: 'say "ä"\n' })
  const id = `rz:${'a'.repeat(39)}`
  expect(read(`of: ${id}`)).toEqual({ kind: 'is', attribute: 'of', value: { ref: id } })
  expect(read('((a: 1))')).toEqual(read('a: 1'))
  expect(attributes(read('a: 1 && (b: 2 || c <= 3)'))).toEqual(['a', 'b', 'c'])
})

it('binds && closer than ||', () => {
  expect(read('a: 1 || b: 2 && c: 3')).toEqual({ kind: 'any', parts: [read('a: 1'), read('b: 2 && c: 3')] })
})

it('says where it cannot be read', () => {
  for (const [text, at] of [
    ['', 0],
    ['!a: 1', 0],
    ['a', 1],
    ['a: ', 3],
    ['a: 1 &&', 7],
    ['a: 1 b: 2', 5],
    ['(a: 1', 5],
    ['a: "x', 3],
    ['a: "\\q"', 4],
    ['a < b', 4],
    ['a: 9007199254740992', 3],
    ['a: rz:abc', 3],
    [`${'('.repeat(17)}a: 1`, 17],
    [Array(65).fill('a: 1').join(' && '), 64 * 8 + 1],
  ] as const) {
    const found = readPredicate(text)
    expect(isFault(found) && found.at, text).toBe(at)
  }
})

it('is said in plain words', () => {
  expect(words('is-photo: true && photo-album: "garibaldi"')).toBe('is-photo is true and photo-album is “garibaldi”')
  expect(words('kind: photo && (album: garibaldi || year >= 2025)')).toBe('kind is “photo” and (album is “garibaldi” or year is at least 2025)')
  expect(predicateWords('a: 1')).toBe('Everything whose a is 1')
  expect(predicateWords('what is this?')).toBe('what is this?')
})

it('becomes the clauses of a query', () => {
  expect(clauses(read('is-photo: true && photo-album: "a \\"b\\""'))).toBe('[?e "is-photo" true] [?e "photo-album" "a \\"b\\""]')
  expect(clauses(read('a: 1 || (b: 2 && c < 3)'))).toBe(
    '(or-join [?e] (and [?e "a" 1]) (and [?e "b" 2] [?e "c" ?v0] [(<= ?v0 2)] (or [(even? ?v0)] [(odd? ?v0)])))',
  )
})
