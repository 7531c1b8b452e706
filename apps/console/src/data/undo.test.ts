import { describe, expect, it } from 'vitest'
import { undoneWords } from './undo'

const none = { undone: 'a', added: 0, removed: 0 }
const kept = (howMany: number) => Array.from({ length: howMany }, (_, at) => ({ entity: `rz:${at}`, attribute: 'x' }))

describe('what became of an undo', () => {
  it('says what was changed since', () => {
    expect(undoneWords({ ...none, commit: 'b', kept: [] })).toBe('Undone.')
    expect(undoneWords({ ...none, commit: 'b', kept: kept(1) })).toBe('Undone, but 1 value was changed since and stays.')
    expect(undoneWords({ ...none, commit: null, kept: kept(2) })).toBe('Nothing was undone: 2 values were changed since and stay.')
    expect(undoneWords({ ...none, commit: null, kept: [] })).toBe('It is as it was before already.')
  })
})
