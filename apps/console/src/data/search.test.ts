import { describe, expect, it } from 'vitest'
import type { SearchHit } from '../api/types'
import { asTyped, isAsking, typesOf } from './search'

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
