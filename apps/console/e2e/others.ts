import { createHash } from 'node:crypto'

/** Exports of other platforms of nobody's: a repository of Bluesky as a CAR, and an archive of Twitter. Made here by the rules of their formats. */

export const FROM_BLUESKY = 'Hello from under a blue sky, where the herons are.'
export const FROM_TWITTER = 'The very last tweet before the move.'

/** What is encoded: the kinds of DAG-CBOR that a repository has. */
type Item = null | number | string | Buffer | Link | Item[] | { [key: string]: Item }

class Link {
  readonly cid: Buffer
  constructor(cid: Buffer) {
    this.cid = cid
  }
}

function head(kind: number, n: number): Buffer {
  if (n < 24) return Buffer.from([(kind << 5) | n])
  if (n < 0x100) return Buffer.from([(kind << 5) | 24, n])
  if (n < 0x10000) return Buffer.from([(kind << 5) | 25, n >> 8, n & 0xff])
  const long = Buffer.alloc(5)
  long[0] = (kind << 5) | 26
  long.writeUInt32BE(n, 1)
  return long
}

/** Canonical DAG-CBOR: keys by their length, then by their bytes. */
function encode(item: Item): Buffer {
  if (item === null) return Buffer.from([0xf6])
  if (typeof item === 'number') return head(0, item)
  if (typeof item === 'string') return Buffer.concat([head(3, Buffer.byteLength(item)), Buffer.from(item)])
  if (Buffer.isBuffer(item)) return Buffer.concat([head(2, item.length), item])
  if (item instanceof Link) return Buffer.concat([Buffer.from([0xd8, 42]), encode(Buffer.concat([Buffer.from([0]), item.cid]))])
  if (Array.isArray(item)) return Buffer.concat([head(4, item.length), ...item.map(encode)])
  const keys = Object.keys(item).sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  return Buffer.concat([head(5, keys.length), ...keys.flatMap((key) => [encode(key), encode(item[key] ?? null)])])
}

const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest()

/** Pairs of zero bits that the hash of a key begins with: its layer in the tree. */
function layer(key: string): number {
  const hash = sha256(key)
  let bits = 0
  for (const byte of hash) {
    bits += Math.clz32(byte) - 24
    if (byte !== 0) break
  }
  return bits >> 1
}

/** A key in the lowest layer, so that the whole tree is one node. */
function low(collection: string, start: string): string {
  for (let n = 0; ; n++) {
    const key = `${collection}/${start}${n.toString(36).padStart(3, '2')}`
    if (layer(key) === 0) return key
  }
}

const varint = (n: number): Buffer => {
  const out: number[] = []
  let rest = n
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80)
    rest >>= 7
  }
  return Buffer.from([...out, rest])
}

/** A repository with a few posts. Nobody has signed it: the import says so. */
export function bluesky(): Buffer {
  const did = 'did:plc:wren4567890abcdefghijklm'
  const blocks: [Buffer, Buffer][] = []
  const put = (item: Item): Link => {
    const block = encode(item)
    const cid = Buffer.concat([Buffer.from([1, 0x71, 0x12, 32]), sha256(block)])
    blocks.push([cid, block])
    return new Link(cid)
  }
  const post = (text: string, createdAt: string): Item => ({ $type: 'app.bsky.feed.post', text, createdAt, langs: ['en'] })
  const records: [string, Item][] = [
    [low('app.bsky.actor.profile', 'self'), { $type: 'app.bsky.actor.profile', displayName: 'Wren', description: 'Birds, bread, bridges.' }],
    [low('app.bsky.feed.post', '3kaaaaaaaa'), post('The kale survived the frost.', '2024-02-01T08:00:00.000Z')],
    [low('app.bsky.feed.post', '3kbbbbbbbb'), post(FROM_BLUESKY, '2024-03-01T08:00:00.000Z')],
  ]
  records.sort(([a], [b]) => (a < b ? -1 : 1))
  let before = ''
  const entries = records.map(([key, record]) => {
    let same = 0
    while (same < before.length && before[same] === key[same]) same++
    before = key
    return { k: Buffer.from(key.slice(same)), p: same, t: null, v: put(record) }
  })
  const data = put({ l: null, e: entries })
  const root = put({ did, version: 3, data, rev: '3kcccccccccc2', prev: null, sig: Buffer.alloc(64, 1) })
  const header = encode({ roots: [root], version: 1 })
  const sections = blocks.map(([cid, block]) => Buffer.concat([varint(cid.length + block.length), cid, block]))
  return Buffer.concat([varint(header.length), header, ...sections])
}

/** An archive as Twitter has made it since 2020, of an account that everybody could read. */
export function twitter(): Map<string, Buffer> {
  const script = (name: string, items: unknown) => Buffer.from(`window.YTD.${name}.part0 = ${JSON.stringify(items)}`)
  const tweet = (id: string, text: string, at: string) => ({
    tweet: { id, id_str: id, full_text: text, created_at: at, lang: 'en', entities: { urls: [], hashtags: [], user_mentions: [] } },
  })
  return new Map([
    [
      'data/account.js',
      script('account', [{ account: { username: 'wren', accountId: '42', createdAt: '2012-01-01T00:00:00.000Z', accountDisplayName: 'Wren' } }]),
    ],
    ['data/protected-history.js', script('protected_history', [])],
    [
      'data/tweets.js',
      script('tweets', [
        tweet('1500000000000000001', 'Murmurations over the pier &amp; the bridge.', 'Thu Nov 02 10:00:00 +0000 2023'),
        tweet('1500000000000000002', FROM_TWITTER, 'Fri Nov 03 10:00:00 +0000 2023'),
      ]),
    ],
  ])
}
