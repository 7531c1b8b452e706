import type { EntityState } from '../api/live'
import type { EntityId } from '../api/types'
import { blob, count, first, ref, refs, type Slot, text, texts, time } from './values'

/** Reads the public schema org.rhizome.social/1 from an entity's tuples. Unknown or odd values read as absent. */

export type Audience = 'public' | 'unlisted' | 'followers' | 'direct'
export type PostKind = 'post' | 'reply' | 'boost'

export interface Profile {
  id: EntityId
  name: string
  handle: string | null
  bio: string | null
  avatar: string | null
  header: string | null
  url: string | null
  /** Lines of the profile's table, `name: value`. */
  fields: string[]
}

export interface Post {
  id: EntityId
  kind: PostKind
  author: EntityId | null
  text: string
  created: number | null
  url: string | null
  audience: Audience | null
  summary: string | null
  sensitive: boolean
  language: string | null
  tags: string[]
  replyTo: EntityId | null
  replyToUrl: string | null
  boostOf: EntityId | null
  boostOfUrl: string | null
  media: EntityId[]
  /** The answers of a poll, in order. */
  poll: EntityId[]
  source: string | null
}

export interface PollOption {
  id: EntityId
  name: string
  votes: number
}

export interface Media {
  id: EntityId
  blob: string | null
  mime: string
  alt: string | null
  width: number | null
  height: number | null
  blurhash: string | null
  /** The point to keep when the picture is cropped, as CSS understands it. */
  focus: string | null
}

export function readProfile(id: EntityId, state: EntityState): Profile {
  const handle = text(state['social/handle'])
  return {
    id,
    name: text(state['social/name']) ?? handle ?? 'Nameless',
    handle: handle ? (handle.startsWith('@') ? handle : `@${handle}`) : null,
    bio: text(state['social/bio']),
    avatar: blob(state['social/avatar']),
    header: blob(state['social/header']),
    url: webUrl(state['social/url']),
    fields: texts(state['social/field']),
  }
}

export function readPost(id: EntityId, state: EntityState): Post {
  const kind = text(state['social/type'])
  const audience = text(state['social/audience'])
  return {
    id,
    kind: kind === 'reply' || kind === 'boost' ? kind : 'post',
    author: ref(state['social/author']),
    text: text(state['social/text']) ?? '',
    created: time(state['social/created']),
    url: webUrl(state['social/url']),
    audience: isAudience(audience) ? audience : null,
    summary: text(state['social/summary']),
    sensitive: first(state['social/sensitive']) === true,
    language: languageTag(text(state['social/language'])),
    tags: texts(state['social/tag']),
    replyTo: ref(state['social/reply-to']),
    replyToUrl: webUrl(state['social/reply-to-url']),
    boostOf: ref(state['social/boost-of']),
    boostOfUrl: webUrl(state['social/boost-of-url']),
    media: refs(state['social/media']),
    poll: refs(state['social/poll']),
    source: text(state['import/source']),
  }
}

export function readMedia(id: EntityId, state: EntityState): Media {
  return {
    id,
    blob: blob(state['social/blob']),
    mime: text(state['social/mime']) ?? 'application/octet-stream',
    alt: text(state['social/alt']),
    width: count(state['social/width']),
    height: count(state['social/height']),
    blurhash: text(state['social/blurhash']),
    focus: focus(state['social/focal-x'], state['social/focal-y']),
  }
}

export function readPollOption(id: EntityId, state: EntityState): PollOption {
  return { id, name: text(state['social/name']) ?? '', votes: count(state['social/votes']) ?? 0 }
}

/** What an entity is, in one word, by the schemas this console knows. */
export function kindOf(state: EntityState): string | null {
  return text(state['social/type']) ?? (text(state['import/type']) ? `import ${text(state['import/type'])}` : null)
}

/** A short name for any entity: what a person would call it. `null` when its tuples offer none. */
export function nameOf(state: EntityState): string | null {
  for (const attribute of ['social/name', 'name', 'title', 'social/handle', 'social/text', 'social/summary', 'social/alt', 'note/text', 'message/text']) {
    const found = text(state[attribute])?.trim().replace(/\s+/g, ' ')
    if (found) return found.length > 60 ? `${found.slice(0, 59).trimEnd()}…` : found
  }
  for (const [attribute, value] of Object.entries(state)) {
    if (/[/:_-](name|title|label)$/.test(attribute)) {
      const found = text(value)
      if (found) return found
    }
  }
  return null
}

/** From -1 (left, bottom) to 1 (right, top) to percentages from the top left. */
function focus(x: Slot, y: Slot): string | null {
  const [across, up] = [first(x), first(y)]
  if (typeof across !== 'number' || typeof up !== 'number' || Math.abs(across) > 1 || Math.abs(up) > 1) return null
  return `${Math.round((across + 1) * 50)}% ${Math.round((1 - up) * 50)}%`
}

/** Imported data may hold any text as an address: only http and https become links. */
function webUrl(slot: Slot): string | null {
  const value = text(slot)
  return value && /^https?:\/\//i.test(value) ? value : null
}

function languageTag(tag: string | null): string | null {
  return tag && /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/.test(tag) ? tag : null
}

function isAudience(value: string | null): value is Audience {
  return value === 'public' || value === 'unlisted' || value === 'followers' || value === 'direct'
}
