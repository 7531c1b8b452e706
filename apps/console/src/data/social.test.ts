import { describe, expect, it } from 'vitest'
import { kindOf, nameOf, readMedia, readPost, readProfile } from './social'

describe('readPost', () => {
  it('reads a post', () => {
    const post = readPost('rz:p', {
      'social/type': 'reply',
      'social/text': 'hello',
      'social/created': { time: 5 },
      'social/audience': 'followers',
      'social/media': [{ ref: 'rz:b' }, { ref: 'rz:a' }],
      'social/author': { ref: 'rz:me' },
      'social/sensitive': true,
    })
    expect(post).toMatchObject({ kind: 'reply', text: 'hello', created: 5, audience: 'followers', author: 'rz:me', sensitive: true })
    expect(post.media).toEqual(['rz:b', 'rz:a'])
  })

  it('takes odd values for absent ones', () => {
    const post = readPost('rz:p', {
      'social/type': 5,
      'social/text': { ref: 'rz:x' },
      'social/created': 'yesterday',
      'social/audience': 'everyone',
      'social/url': 'javascript:alert(1)',
      'social/media': 'none',
      'social/language': '"><script>',
    })
    expect(post).toMatchObject({ kind: 'post', text: '', created: null, audience: null, url: null, media: [], language: null })
  })
})

it('reads a focal point', () => {
  const focus = (x: number, y: number) => readMedia('rz:m', { 'social/focal-x': x, 'social/focal-y': y }).focus
  expect([focus(0, 0), focus(-1, 1), focus(1, -1), focus(2, 0)]).toEqual(['50% 50%', '0% 0%', '100% 100%', null])
})

it('names things as people would', () => {
  expect(nameOf({ 'social/name': 'Wren', 'social/handle': 'wren@x' })).toBe('Wren')
  expect(nameOf({ 'social/text': `${'long '.repeat(30)}` })).toMatch(/^long .*…$/)
  expect(nameOf({ 'book/title': 'Emma' })).toBe('Emma')
  expect(nameOf({ 'x/y': 1 })).toBeNull()
  expect(kindOf({ 'import/type': 'run' })).toBe('import run')
  expect(readProfile('rz:p', { 'social/handle': 'wren@x' })).toMatchObject({ name: 'wren@x', handle: '@wren@x', fields: [] })
})
