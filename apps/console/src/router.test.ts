import { expect, it } from 'vitest'
import { parse } from './router'

it('reads addresses', () => {
  expect(parse('/')).toEqual({ page: 'timeline' })
  expect(parse('/query')).toEqual({ page: 'query' })
  expect(parse('/sharing')).toEqual({ page: 'sharing' })
  expect(parse('/following')).toEqual({ page: 'following' })
  expect(parse('/groups')).toEqual({ page: 'groups' })
  expect(parse('/groups/did:rhizome:abc2')).toEqual({ page: 'group', did: 'did:rhizome:abc2' })
  expect(parse('/apps')).toEqual({ page: 'apps' })
  expect(parse('/authorize')).toEqual({ page: 'authorize' })
  expect(parse('/data')).toEqual({ page: 'data' })
  for (const page of ['history', 'storage', 'settings', 'welcome']) expect(parse(`/${page}`)).toEqual({ page })
  expect(parse('/library')).toEqual({ page: 'library', part: null })
  expect(parse('/library/notes')).toEqual({ page: 'library', part: 'notes' })
  expect(parse('/data/rz:abc')).toEqual({ page: 'entity', id: 'rz:abc' })
  expect(parse('/data/rz%3Aabc')).toEqual({ page: 'entity', id: 'rz:abc' })
  for (const bad of ['/data/abc', '/data/%zz', '/nowhere', '/query/x', '/authorize/x', '/Authorize', '/data/rz:abc/more', '/groups/abc', '/groups/did:rhizome:../x', '/library/films', '/storage/x']) {
    expect(parse(bad)).toEqual({ page: 'missing' })
  }
})
