import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generator, picture } from './picture'

/** A Mastodon archive of nobody's: every kind of post, every audience, pictures that draw themselves, and hostile HTML. */

export interface Archive {
  files: Map<string, Buffer>
  counts: { posts: number; replies: number; boosts: number; media: number; withMedia: number }
}

const PUBLIC = 'https://www.w3.org/ns/activitystreams#Public'
const ME = 'https://social.example/users/wren'
const FOLLOWERS = `${ME}/followers`

type Audience = 'public' | 'unlisted' | 'followers' | 'direct'

const ADDRESSES: Record<Audience, { to: string[]; cc: string[] }> = {
  public: { to: [PUBLIC], cc: [FOLLOWERS] },
  unlisted: { to: [FOLLOWERS], cc: [PUBLIC] },
  followers: { to: [FOLLOWERS], cc: [] },
  direct: { to: ['https://other.example/users/heron'], cc: [] },
}

const LINES = [
  'First frost on the allotment this morning. The kale does not mind.',
  'Re-reading “The Overstory”. It gets better with every tree I learn to name.',
  'Bread came out flat again. The starter and I are no longer on speaking terms.',
  'Walked to the ridge before sunrise; nobody there but a hare and the wind.',
  'Does anybody else keep a list of words that sound like what they mean? Mine starts with “murmur”.',
  'The new bridge is open. It hums when lorries cross, somewhere around B flat.',
  'Repaired the kettle with a paper clip. It will outlive me.',
  'Today’s bird list: wren, dunnock, two magpies having an argument.',
]

export const FIRST = 'The newest post of all, to be edited in a browser test.'
export const HOSTILE = 'Nothing of this may run'
export const WARNED = 'Spoilers for a very old film'
export const SECRET = 'Only for heron: the key is under the third pot.'

/** The same archive for the same arguments. `extra` adds plain posts, for a long timeline. */
export function archive(extra = 0): Archive {
  const random = generator(7)
  const files = new Map<string, Buffer>()
  const items: object[] = []
  const counts = { posts: 0, replies: 0, boosts: 0, media: 0, withMedia: 0 }
  let at = Date.UTC(2023, 8, 30, 18, 0, 0)
  let next = 100

  const published = () => {
    at -= Math.floor((2 + random() * 60) * 3_600_000)
    return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
  }
  const attach = (how: { pictures: number; alt: boolean; width: number; height: number }) =>
    Array.from({ length: how.pictures }, () => {
      const id = next++
      const path = `media_attachments/files/${id}/original/${id}.png`
      files.set(path, picture(id, how.width, how.height))
      counts.media++
      return { type: 'Document', mediaType: 'image/png', url: `/${path}`, name: how.alt ? `A hill and a low sun, picture ${id}` : null, width: how.width, height: how.height }
    })

  const note = (post: {
    html: string
    audience?: Audience
    pictures?: number
    wide?: boolean
    alt?: boolean
    summary?: string
    sensitive?: boolean
    replyTo?: string
    tags?: string[]
  }): string => {
    const id = `${ME}/statuses/${next++}`
    const { to, cc } = ADDRESSES[post.audience ?? 'public']
    const when = published()
    if (post.replyTo) counts.replies++
    else counts.posts++
    if (post.pictures) counts.withMedia++
    items.push({
      id: `${id}/activity`,
      type: 'Create',
      actor: ME,
      published: when,
      to,
      cc,
      object: {
        id,
        type: 'Note',
        summary: post.summary ?? null,
        inReplyTo: post.replyTo ?? null,
        published: when,
        url: id.replace('/users/', '/@').replace('/statuses', ''),
        attributedTo: ME,
        to,
        cc,
        sensitive: post.sensitive ?? post.summary !== undefined,
        content: post.html,
        contentMap: { en: post.html },
        attachment: attach({ pictures: post.pictures ?? 0, alt: post.alt ?? true, width: post.wide ? 640 : 360, height: post.wide ? 360 : 360 }),
        tag: (post.tags ?? []).map((name) => ({ type: 'Hashtag', href: `https://social.example/tags/${name}`, name: `#${name}` })),
      },
    })
    return id
  }

  note({ html: `<p>${FIRST}</p>` })
  note({ html: '<p>Evening light over the valley.</p>', pictures: 1, wide: true })
  const thread = note({ html: '<p>A small thread about lichens. <a href="https://social.example/tags/lichen">#lichen</a></p>', tags: ['lichen'] })
  note({ html: '<p>They are not plants. They are a treaty.</p>', replyTo: thread })
  note({ html: '<p><span class="h-card"><a href="https://other.example/@heron">@<span>heron</span></a></span> see you at the weir.</p>', replyTo: 'https://other.example/users/heron/statuses/9' })
  items.push({ id: `${ME}/statuses/${next++}/activity`, type: 'Announce', actor: ME, published: published(), to: [PUBLIC], cc: [FOLLOWERS], object: 'https://other.example/users/heron/statuses/77' })
  counts.boosts++
  note({ html: '<p>Two from the ridge.</p>', pictures: 2 })
  note({ html: `<p>${WARNED}: the sled.</p>`, summary: WARNED })
  note({ html: '<p>Not for every eye.</p>', pictures: 1, sensitive: true })
  note({ html: '<p>For those who follow: I am moving house in May.</p>', audience: 'followers' })
  note({ html: `<p>${SECRET}</p>`, audience: 'direct' })
  note({ html: '<p>Unlisted grumble about printers.</p>', audience: 'unlisted' })
  note({ html: '<p>Three, because two were not enough.</p>', pictures: 3 })
  note({
    html: `<p>${HOSTILE}<script>window.hacked=1</script><img src=x onerror="window.hacked=2"><a href="javascript:window.hacked=3">click</a></p>`,
  })
  note({ html: '<p>The whole roll of film.</p>', pictures: 6, alt: false })
  note({ html: `<p>${Array.from({ length: 40 }, (_, line) => `Line ${line + 1} of a long poem.`).join('<br>')}</p>` })
  note({ html: '<p>An address: <a href="https://example.org/a/very/long/way/to/say/hello?and=so#on"><span class="invisible">https://</span><span class="ellipsis">example.org/a/very</span><span class="invisible">/long/way/to/say/hello?and=so#on</span></a></p>' })
  for (let more = 0; more < 40 + extra; more++) {
    note({ html: `<p>${LINES[more % LINES.length]}</p>`, pictures: more < 40 && more % 10 === 4 ? 4 : 0 })
  }

  files.set('avatar.png', picture(1, 200, 200))
  files.set('header.png', picture(2, 900, 300))
  files.set(
    'actor.json',
    json({
      '@context': ['https://www.w3.org/ns/activitystreams'],
      id: ME,
      type: 'Person',
      preferredUsername: 'wren',
      name: 'Wren Hollis',
      summary: '<p>Allotment, bridges, birds. <a href="https://example.org/wren">example.org/wren</a></p>',
      url: 'https://social.example/@wren',
      published: '2019-04-01T00:00:00Z',
      icon: { type: 'Image', mediaType: 'image/png', url: 'avatar.png' },
      image: { type: 'Image', mediaType: 'image/png', url: 'header.png' },
      outbox: 'outbox.json',
      likes: 'likes.json',
      bookmarks: 'bookmarks.json',
    }),
  )
  files.set('outbox.json', json({ '@context': 'https://www.w3.org/ns/activitystreams', id: 'outbox.json', type: 'OrderedCollection', totalItems: items.length, orderedItems: items }))
  files.set('likes.json', json({ id: 'likes.json', type: 'OrderedCollection', orderedItems: ['https://other.example/users/heron/statuses/5'] }))
  files.set('bookmarks.json', json({ id: 'bookmarks.json', type: 'OrderedCollection', orderedItems: [] }))
  return { files, counts }
}

export function writeArchive(made: Archive, folder: string): void {
  for (const [name, data] of made.files) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, data)
  }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
