import { describe, expect, it } from 'vitest'
import { type Entry, pieces, years } from './months'

const at = (iso: string) => new Date(iso).getTime()
const many = (count: number, iso: string): Entry[] =>
  Array.from({ length: count }, (_, n) => ({ post: `${iso}#${String(n).padStart(4, '0')}`, created: at(iso) + n * 1000 }))

describe('pieces', () => {
  it('sorts newest first and heads each month once', () => {
    const found = pieces([
      { post: 'old', created: at('2021-12-31T10:00:00') },
      { post: 'new', created: at('2022-07-10T10:00:00') },
      { post: 'newer', created: at('2022-07-11T10:00:00') },
    ])
    expect(found.map((piece) => [piece.month, piece.heads, piece.posts])).toEqual([
      ['2022-07', true, ['newer', 'new']],
      ['2021-12', true, ['old']],
    ])
  })

  it('a new post changes one piece only', () => {
    const posts = many(100, '2022-07-10T10:00:00')
    const before = pieces(posts)
    const after = pieces([...posts, { post: 'newest', created: at('2022-07-31T10:00:00') }])
    expect(before.map((piece) => piece.posts.length)).toEqual([20, 40, 40])
    expect(after.map((piece) => piece.posts.length)).toEqual([21, 40, 40])
    expect(after.slice(1)).toEqual(before.slice(1))
    expect(after[0]?.key).toBe(before[0]?.key)
  })

  it('orders posts of one instant in one way', () => {
    const same = [
      { post: 'a', created: 5 },
      { post: 'b', created: 5 },
    ]
    expect(pieces(same)).toEqual(pieces([...same].reverse()))
  })
})

it('counts years and months', () => {
  const found = years(pieces([...many(50, '2022-07-10T10:00:00'), ...many(3, '2022-01-10T10:00:00'), ...many(1, '2019-03-03T03:03:03')]))
  expect(found).toEqual([
    { year: '2022', count: 53, months: [{ month: '2022-07', count: 50 }, { month: '2022-01', count: 3 }] },
    { year: '2019', count: 1, months: [{ month: '2019-03', count: 1 }] },
  ])
})
