import { encode } from 'uqr'
import { expect, it } from 'vitest'
import { draw } from './qr'

it('draws every dark module once and no light one', () => {
  const { size, path } = draw('RHIZOME:ABC.DEF')
  const drawn = new Set<string>()
  for (const [, x = '', y = '', width = ''] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    for (let at = 0; at < Number(width); at++) drawn.add(`${Number(x) + at} ${y}`)
  }
  const { data } = encode('RHIZOME:ABC.DEF', { ecc: 'L', border: 4 })
  const dark = data.flatMap((row, y) => row.flatMap((module, x) => (module ? [`${x} ${y}`] : [])))
  expect(size).toBe(data.length)
  expect([...drawn].sort()).toEqual(dark.sort())
})
