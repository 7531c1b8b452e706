import { describe, expect, it } from 'vitest'
import type { SearchHit } from '../api/types'
import { asTyped, hitPath, isAsking, steady, typesOf } from './search'

describe('what is looked for while somebody types', () => {
  it('lets the last word go on', () => {
    expect(asTyped('big ca')).toBe('big ca*')
    expect(asTyped(' Köl')).toBe('Köl*')
  })
  it('leaves alone what is finished or means something', () => {
    for (const q of ['big cats ', 'ca*', '"big ca', '"big cat"', 'a OR', 'a -b', 'e-mail', '']) expect(asTyped(q)).toBe(q)
  })
  it('asks nothing before there is a word that is to be there', () => {
    for (const q of ['', '  ', '-', '-not', '"', '…']) expect(isAsking(q)).toBe(false)
    for (const q of ['a', '-not yes', '"quoted', '東']) expect(isAsking(q)).toBe(true)
  })
})

describe('the types among hits', () => {
  it('come by how often they are there', () => {
    const hit = (type: string | null): SearchHit => ({ entity: 'rz:a', attribute: 'a', type, created: null, score: 1, excerpt: [] })
    expect(typesOf([hit('media'), hit('post'), hit(null), hit('post'), hit('event')])).toEqual(['post', 'event', 'media'])
  })
})

describe('what is found', () => {
  const hit = (entity: string, score = 1): SearchHit => ({ entity, attribute: 'a', type: null, created: null, score, excerpt: [] })
  it('stays where it is while somebody reads it, and what is new comes after it', () => {
    const before = [hit('rz:a'), hit('rz:b'), hit('rz:c')]
    const now = [hit('rz:d', 9), hit('rz:c', 8), hit('rz:a', 7)]
    expect(steady(before, now).map((each) => [each.entity, each.score])).toEqual([['rz:a', 7], ['rz:c', 8], ['rz:d', 9]])
    expect(steady([], now)).toEqual(now)
    expect(steady(before, [])).toEqual([])
  })
  it('is looked at where it belongs', () => {
    expect(hitPath({ entity: 'rz:a', type: 'note' })).toBe('/library/notes?id=rz:a')
    expect(hitPath({ entity: 'rz:a', type: 'post' })).toBe('/data/rz:a')
    expect(hitPath({ entity: 'rz:a', type: null })).toBe('/data/rz:a')
  })
})
