import { expect, it } from 'vitest'
import type { Followed } from '../api/types'
import { pasted, people } from './following'

const followed = (about: Partial<Followed>): Followed => ({
  of: 'did:rhizome:a',
  view: 'did:rhizome:v',
  where: 'a: 1',
  ended: false,
  entities: 1,
  missing: 0,
  newest_ms: null,
  places: [],
  ...about,
})

it('puts together what one person makes public, the liveliest first', () => {
  const found = people([
    followed({ of: 'did:rhizome:a', view: 'v1', newest_ms: 5, ended: true }),
    followed({ of: 'did:rhizome:b', view: 'v2', newest_ms: 9, entities: 4, ended: true }),
    followed({ of: 'did:rhizome:a', view: 'v3', newest_ms: 7, missing: 2 }),
    followed({ of: 'did:rhizome:c', view: 'v4' }),
  ])
  expect(found.map(({ of, views, entities, missing, newest_ms, ended }) => [of.slice(-1), views.length, entities, missing, newest_ms, ended])).toEqual([
    ['b', 1, 4, 0, 9, true],
    ['a', 2, 2, 2, 7, false],
    ['c', 1, 1, 0, null, false],
  ])
})

it('reads a DID as it was copied', () => {
  expect(pasted(' rhizome follow did:rhizome:\n abc ')).toBe('did:rhizome:abc')
})
