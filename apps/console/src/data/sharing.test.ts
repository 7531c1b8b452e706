import { expect, it } from 'vitest'
import type { Given } from '../api/types'
import { endOfDay, grantState, lookAround, lookQuery, mainAttribute, powerWords, shownGrants, touched, whyTheirs } from './sharing'

const given = (state: Partial<Given>): Given => ({
  grant: 'bafy',
  to: 'did:rhizome:b',
  can: 'read',
  where: 'a: 1',
  view: 'did:rhizome:v',
  given_ms: 1,
  until_ms: null,
  revoked_ms: null,
  accepted: false,
  ...state,
})

it('knows how a grant stands', () => {
  expect(grantState(given({}), 10)).toBe('waiting')
  expect(grantState(given({ accepted: true, until_ms: 11 }), 10)).toBe('accepted')
  expect(grantState(given({ accepted: true, until_ms: 10 }), 10)).toBe('over')
  expect(grantState(given({ accepted: true, revoked_ms: 5 }), 10)).toBe('back')
  expect(grantState(given({ public: true, to: 'anyone' }), 10)).toBe('public')
  expect(grantState(given({ public: true, revoked_ms: 5 }), 10)).toBe('back')
  expect((['write', 'propose', 'read', null] as const).map(powerWords)).toEqual(['read and write', 'read and propose', 'read', 'no longer do anything'])
})

it('shows what goes on elsewhere once', () => {
  const [old, now] = [given({ grant: 'a', accepted: true, moved: 'b' }), given({ grant: 'b', instead: 'a' })]
  expect(shownGrants([old, now])).toEqual([now])
  expect(grantState(now, 10)).toBe('moving')
  expect(grantState({ ...now, accepted: true }, 10)).toBe('accepted')
})

it('tells the owner why, not the guest', () => {
  expect(whyTheirs('you may not write here (any more)')).toBe('they may not write here (any more)')
  expect(whyTheirs('something new')).toBe('something new')
})

it('puts the changes of a proposal together by entity', () => {
  const about = (entity: string, attribute: string) => ({ entity, attribute })
  const found = touched({
    changes: [
      { assert: { ...about('rz:a', 'x'), value: 'new' } },
      { create: { entity: 'rz:b' } },
      { insert: { ...about('rz:b', 'tag'), value: 't' } },
      { push: { ...about('_:new', 'steps'), value: 's' } },
      { list: { ...about('rz:a', 'steps'), value: ['one', 'two'] } },
      { add: { ...about('rz:a', 'likes'), value: -2 } },
      { retract: about('rz:a', 'gone') },
      { retract: { ...about('rz:a', 'tag'), value: 'old' } },
      { erase: { entity: 'rz:c' } },
      { other: about('rz:c', 'text') },
    ],
  })
  expect(found).toEqual([
    {
      entity: 'rz:a',
      made: false,
      steps: [
        { kind: 'set', attribute: 'x', value: 'new' },
        { kind: 'list', attribute: 'steps', values: ['one', 'two'] },
        { kind: 'add', attribute: 'likes', by: -2 },
        { kind: 'take', attribute: 'gone', value: null },
        { kind: 'take', attribute: 'tag', value: 'old' },
      ],
    },
    { entity: 'rz:b', made: true, steps: [{ kind: 'put', attribute: 'tag', value: 't' }] },
    { entity: '_:new', made: true, steps: [{ kind: 'put', attribute: 'steps', value: 's' }] },
    { entity: 'rz:c', made: false, steps: [{ kind: 'erase' }, { kind: 'other', attribute: 'text' }] },
  ])
})

it('calls an entity by what tells it from the others', () => {
  expect(mainAttribute({ 'photo-album': 'g', 'photo-title': 'Lake' }, ['photo-album'])).toBe('Lake')
  expect(mainAttribute({ 'is-photo': true, 'photo-album': 'g', caption: 'At dawn' }, ['photo-album'])).toBe('At dawn')
  expect(mainAttribute({ 'is-photo': true, 'import/file': 'x' }, [])).toBe(null)
})

it('ends with the day', () => {
  expect(new Date(endOfDay('2026-12-31') ?? 0).toString()).toMatch(/Dec 31 2026 23:59:59/)
  expect(endOfDay('')).toBe(null)
})

it('looks at what is shared with a column for what is told of most', () => {
  const where = 'album: "g"'
  expect(lookAround(where)).toBe('[:find ?attribute (count ?e) :where [?e "album" "g"] [?e ?attribute _]]')
  expect(lookQuery(where, [['album', 9], ['x/title', 9], ['caption', 2], ['y/title', 1], ['v1', 1]])).toBe(
    [
      '[:find ?e ?title ?caption ?column3 ?column4',
      ' :where [?e "album" "g"]',
      '        [(get-else $ ?e "x/title" "") ?title]',
      '        [(get-else $ ?e "caption" "") ?caption]',
      '        [(get-else $ ?e "v1" "") ?column3]',
      '        [(get-else $ ?e "y/title" "") ?column4]',
      ' :limit 500]',
    ].join('\n'),
  )
  expect(lookQuery(where, [['album', 9]])).toMatch(/^\[:find \?entity \?attribute \?value/)
})
