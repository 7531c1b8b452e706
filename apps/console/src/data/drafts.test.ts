import { expect, it } from 'vitest'
import type { DraftDiff } from '../api/types'
import { calledIn, changedSince, likeBefore, saying } from './drafts'

it('keeps the kind of what is there', () => {
  expect(likeBefore('7', 5)).toBe(7)
  expect(likeBefore('seven', 5)).toBeNull()
  expect(likeBefore('7', 'five')).toBe('7')
  expect(likeBefore('7', undefined)).toBe('7')
  expect(likeBefore('yes', false)).toBe(true)
  expect(likeBefore('false', true)).toBe(false)
  expect(likeBefore('perhaps', true)).toBeNull()
})

it('says one thing as a transaction', () => {
  expect(saying('rz:a', 'title', ' one ', 'two')).toEqual({ assert: { entity: 'rz:a', attribute: 'title', value: 'one' } })
  expect(saying('rz:a', 'title', ' ', 'two')).toEqual({ retract: { entity: 'rz:a', attribute: 'title' } })
  expect(saying('', 'title', 'new', undefined)).toEqual({ assert: { entity: '_:new', attribute: 'title', value: 'new' } })
  expect(saying('', 'title', '', undefined)).toBeNull()
  expect(saying('rz:a', 'year', 'x', 1999)).toBeNull()
})

it('knows what has changed, and what something is called', () => {
  const place = (attribute: string, changed: boolean) => ({ attribute, base: [], draft: ['Marmot'], then: [], changed, list: false })
  const diff: DraftDiff = {
    entities: [
      { entity: 'rz:a', new: false, attributes: [place('caption', true), place('title', false)] },
      { entity: 'rz:b', new: true, attributes: [place('caption', true)] },
    ],
  }
  expect(changedSince(diff)).toBe(2)
  expect(diff.entities.map(calledIn)).toEqual(['Marmot', null])
})
