import { expect, it } from 'vitest'
import { toCsv } from './csv'

it('quotes what needs it', () => {
  expect(toCsv(['?a', '?b'], [['x,y', 'say "hi"\nthere'], [5, null], [true, { blob: 'b' }]])).toBe(
    '?a,?b\r\n"x,y","say ""hi""\nthere"\r\n5,\r\ntrue,"{""blob"":""b""}"\r\n',
  )
})

it('does not let an imported text become a formula', () => {
  expect(toCsv(['?a'], [['=HYPERLINK("http://x")'], [-5], ['-5']])).toBe(
    '?a\r\n"\'=HYPERLINK(""http://x"")"\r\n-5\r\n\'-5\r\n',
  )
})
