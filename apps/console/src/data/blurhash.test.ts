import { expect, it } from 'vitest'
import { decodeBlurhash } from './blurhash'

it('decodes the average colour of a one-component hash', () => {
  // One component: size flag 0, no AC scale, then the average colour as four base-83 digits.
  const dc = 0xff8000
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~'
  const encoded = [3, 2, 1, 0].map((power) => digits.charAt(Math.floor(dc / 83 ** power) % 83)).join('')
  expect([...(decodeBlurhash(`00${encoded}`, 1, 1) ?? [])]).toEqual([255, 128, 0, 255])
})

it('decodes a real one to a picture that varies', () => {
  const pixels = decodeBlurhash('LEHV6nWB2yk8pyo0adR*.7kCMdnj', 8, 8)
  expect(pixels).toHaveLength(256)
  expect(new Set(pixels).size).toBeGreaterThan(20)
})

it('refuses what is malformed', () => {
  for (const bad of ['', 'L', 'LEHV6nWB2yk8', 'LEHV6nWB2yk8pyo0adR*.7kCMd"j', 'ZZZZZZ', 'é'.repeat(28)]) {
    expect(decodeBlurhash(bad, 4, 4)).toBeNull()
  }
})
