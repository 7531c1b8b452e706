import { describe, expect, it } from 'vitest'
import { isIql, rangeAt, tokens } from './language'

describe('tokens', () => {
  it('loses nothing, whatever the text', () => {
    for (const text of ['[:find ?e ; all\n :where [?e "a\\"b" -5.2]]', '{"a": {"$": [1, true]}}', '"open', '', 'é🙂 "🙂" ?🙂)']) {
      expect(tokens(text).map((token) => token.text).join('')).toBe(text)
    }
  })
  it('knows the kinds', () => {
    expect(tokens('[:find ?e (count 3) "x"]').filter((token) => token.kind !== 'space').map((token) => token.kind)).toEqual([
      'bracket', 'keyword', 'variable', 'bracket', 'word', 'number', 'bracket', 'string', 'bracket',
    ])
  })
})

describe('rangeAt', () => {
  const marked = (text: string, line: number, column: number) => text.slice(...rangeAt(text, { line, column }))
  it('marks the token at a place', () => {
    const text = '[:find ?e\n :where [?e "🙂" ?value]\n (nope ?e)]'
    expect(marked(text, 1, 8)).toBe('?e')
    // Columns count characters: the picture is one of them.
    expect(marked(text, 2, 17)).toBe('?value')
    expect(marked(text, 3, 2)).toBe('(')
  })
  it('stays inside the text', () => {
    expect(rangeAt('[', { line: 1, column: 2 })).toEqual([1, 1])
    expect(rangeAt('[', { line: 9, column: 9 })).toEqual([1, 1])
    expect(rangeAt('', { line: 1, column: 1 })).toEqual([0, 0])
  })
})

it('tells the languages apart', () => {
  expect(isIql('{"post": {}}')).toBe(true)
  expect(isIql(' {}')).toBe(true)
  expect(isIql('{:find [?e]}')).toBe(false)
  expect(isIql('[:find ?e]')).toBe(false)
})
