import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, AppKey, letIn, own, send, serveSample, type Site, type Tokens } from './app'
import { startBrowser } from './browser'
import { importPhotos } from './photos'
import { copyPod, type Pod, startPod } from './pod'

/**
 * An app tries every path of the API, in every way of writing it. It has been let in to one album. There are two pods, the same to the last
 * byte when they began, of which one then got much that the app was not given, each text of it with a mark. The app must get no mark from the
 * one, and from both the same, byte for byte, but for tokens and times: so it learns neither what else there is nor how much.
 */

const MARK = 'xmarkx'
const TITLES = ['Garibaldi Lake', 'Black Tusk', 'Camp at dusk', 'Marmot', 'First snow', 'The way down']
const NOTE = 'a note for the other app'
const ROOT = join(import.meta.dirname, '../../..')
const NOWHERE = `rz:${'a'.repeat(39)}`
const NO_FILE = 'bafkr4iaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'

interface Side {
  pod: Pod
  app: Tokens
  other: Tokens
}

let browser: Browser
let site: Site
/** Where the other app is. */
let otherSite: Site
/** Nothing but what the app was given, and a note. */
let bare: Side
/** The same, and much else. */
let full: Side
let shared: { photo: string; place: string; file: string }
let secret: { entity: string; photo: string; file: string }

const set = (entity: string, attribute: string, value: unknown) => ({ assert: { entity, attribute, value } })
const cell = async (pod: Pod, q: string) => (await pod.query(q))[0]?.[0] as string & { blob: string }

beforeAll(async () => {
  ;[browser, site, otherSite] = await Promise.all([startBrowser(), serveSample(), serveSample()])
  const first = await startPod()
  await importPhotos(first, TITLES.map((title) => ({ title, album: 'garibaldi' })))
  const photo = await cell(first, '[:find ?p :where [?p "photo-title" "Marmot"]]')
  // what it said before is not given
  await own(first, '/tx', [set(photo, 'caption', `${MARK} before`)])
  const { entities } = await own<{ entities: Record<string, string> }>(first, '/tx', [
    set(photo, 'caption', 'our cook'),
    set(photo, 'photo-place', { ref: '_:place' }),
    set('_:note', 'is-note', true),
    set('_:note', 'text', NOTE),
  ])
  shared = { photo, place: entities['_:place'] ?? '', file: (await cell(first, `[:find ?f :where ["${photo}" "photo-file" ?f]]`)).blob }
  await first.sleep()
  const second = await copyPod(first)
  await first.wake()
  await fill(second)
  const [key, otherKey] = [new AppKey(), new AppKey()]
  const notes = { where: 'is-note: true', can: 'read' } as const
  const enter = async (pod: Pod): Promise<Side> => ({
    pod,
    app: await letIn(pod, site.origin, 'Album captions', [{ where: 'is-photo: true', can: 'write', why: 'captions' }], [{ where: 'photo-album: garibaldi', can: 'write' }], key),
    other: await letIn(pod, otherSite.origin, 'Notes', [notes], [notes], otherKey),
  })
  ;[bare, full] = [await enter(first), await enter(second)]
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([bare?.pod.stop(), full?.pod.stop(), site?.stop(), otherSite?.stop()])
})

/** What the app was not given: other photos with files, what refers to the album and what the album refers to, people, a device's name, an app. */
async function fill(pod: Pod): Promise<void> {
  await importPhotos(pod, Array.from({ length: 12 }, (_, at) => ({ title: `${MARK} ${at}`, album: 'papers' })), 100)
  const photo = await cell(pod, `[:find ?p :where [?p "photo-title" "${MARK} 3"]]`)
  const made = await own<{ entities: Record<string, string> }>(pod, '/tx', [
    set('_:s', 'secret-code', `${MARK} 4711`),
    set('_:s', 'about', { ref: shared.photo }),
    set('_:s', `${MARK}/attribute`, true),
    set(shared.place, 'name', `${MARK} the place`),
    set(shared.place, 'is-place', true),
    ...Array.from({ length: 40 }, (_, at) => [set(`_:p${at}`, 'is-person', true), set(`_:p${at}`, 'name', `${MARK} person ${at}`), set(`_:p${at}`, 'seen-on', { ref: shared.photo })]).flat(),
    set('_:h', 'was', `${MARK} for a while`),
  ])
  await own(pod, '/tx', [{ retract: { entity: made.entities['_:h'], attribute: 'was' } }])
  const { devices } = await own<{ devices: { key: string }[] }>(pod, '/devices')
  await own(pod, '/devices/name', { key: devices[0]?.key, name: `${MARK} desk` })
  await letIn(pod, 'http://localhost:9', `${MARK} app`, [{ where: `secret-code: "${MARK} 4711"`, can: 'read' }], [{ where: `secret-code: "${MARK} 4711"`, can: 'read' }])
  secret = { entity: made.entities['_:s'] ?? '', photo, file: (await cell(pod, `[:find ?f :where ["${photo}" "photo-file" ?f]]`)).blob }
}

interface Try {
  method: string
  path: string
  body?: string | Buffer
  headers?: Record<string, string>
}

/** Every path of the API, from its router and from its documentation, with names of things in it. */
function paths(): string[] {
  const router = readFileSync(join(ROOT, 'pod/src/http/mod.rs'), 'utf8') + readFileSync(join(ROOT, 'pod/src/http/apps.rs'), 'utf8')
  const routes = [...router.matchAll(/\.route\(\s*"(\/[^"]*)"/g)].map(([, path]) => path ?? '')
  const documented = [...readFileSync(join(ROOT, 'docs/api.md'), 'utf8').matchAll(/`(?:GET|POST|DELETE|WS|PUT)?(?:`, `)?\s?(\/[a-z][a-z0-9./{}:_-]*)/g)].map(([, path]) => path ?? '')
  const made = ['/', '/tuples', '/export', '/search', '/history', '/counts', '/entities', '/blobs', '/log', '/commits', '/admin', '/token', '/tokens', '/views', '/view', '/share', '/apps/', '/apps/all', '/query/all', '/debug', '/metrics', '/running.json', '/status.json', '/entity', '/blob', '/entity/', '/blob/', '/dump']
  const names: Record<string, string[]> = {
    id: [shared.photo, shared.place, secret.entity, secret.photo, NOWHERE, full.app.grant, full.other.grant],
    cid: [shared.file, secret.file, NO_FILE],
    did: [full.app.pod],
    commit: [NO_FILE],
    job: ['1'],
  }
  const all = [...new Set([...routes, ...documented, ...made])].filter((path) => path !== '/apps/leave')
  return [...new Set(all.flatMap((path) => {
    const [, hole] = /\{(\w+)\}/.exec(path) ?? []
    return hole === undefined ? [path] : (names[hole] ?? ['x']).map((name) => path.replace(`{${hole}}`, name))
  }))]
}

/** A path as it is, and as somebody would write it who hopes that two parts of a program read it differently. */
function writings(path: string): string[] {
  const [, first = '', rest = ''] = /^\/([^/]*)(.*)$/.exec(path) ?? []
  const hex = first === '' ? '' : `%${first.charCodeAt(0).toString(16)}${first.slice(1)}`
  return [
    `/api/1${path.toUpperCase()}`,
    `/API/1${path}`,
    `//api/1${path}`,
    `/api/1/${path}`,
    `/api//1${path}`,
    `/api/1${path}/`,
    `/api/1%2f${path.slice(1)}`,
    `/api%2f1${path}`,
    `/api/1/${hex}${rest}`,
    `/api/1/./${path.slice(1)}`,
    `/api/1/status/..${path}`,
    `/api/1/status/%2e%2e${path}`,
    `/api/1/blob/${shared.file}/..${path}`,
    `/api/1/apps/token/..${path}`,
    `/api/1/apps/token${path}`,
    `/api/1${path};x=/status`,
    `/api/1${path}%00`,
    `/api/1${path}?pod=all`,
    `/api/1${path}?token=${full.app.access_token}&t=${full.app.blob_token}`,
    `/api/2${path}`,
    `/api${path}`,
    path,
  ]
}

/** Questions about all there is. */
function questions(): string[] {
  const where = [
    '[:find ?e ?a ?v :where [?e ?a ?v]]',
    '[:find (count ?e) :where [?e _ _]]',
    '[:find (count-distinct ?e) :where [?e _ _]]',
    '[:find ?a (count ?e) :where [?e ?a _]]',
    '[:find ?e :where [?e "is-photo" true]]',
    '[:find ?v :where [_ "secret-code" ?v]]',
    '[:find ?e ?n :where [?e "is-person" true] [?e "name" ?n]]',
    '[:find ?e ?a :where [?e ?a ?v] [?p "is-photo" true] [(= ?v ?p)]]',
    `[:find ?a ?v :where ["${secret.entity}" ?a ?v]]`,
    `[:find ?a ?v :where ["${secret.photo}" ?a ?v]]`,
    `[:find ?a ?v :where ["${shared.place}" ?a ?v]]`,
    `[:find ?e ?a :where [?e ?a "${shared.photo}"]]`,
    `[:find (pull ?e [* {:photo-place [*]} :_about :_seen-on {:_about [*]}]) :where [?e "is-photo" true]]`,
    `[:find (pull "${secret.entity}" [*])]`,
    '[:find ?p :where [?p "is-photo" true] (not [?p "caption" _])]',
    '[:find ?p :where [?p "photo-place" ?x] [(missing? $ ?x :name)]]',
    '[:find ?p ?n :where [?p "photo-place" ?x] [(get-else $ ?x :name "nothing") ?n]]',
    '[:find ?x :where [?e "photo-title" ?x] [(like? ?x "%m%")]]',
    '[:find (max ?n) (min ?n) (sum ?n) :with ?e :where [?e "photo/number" ?n]]',
    '[:find ?e :where [?e "app/name" _]]',
    '[:find ?e ?v :where [?e "device/name" ?v]]',
    '[:find ?x :where [?e "photo-album" "papers"] [?e "photo-title" ?x] :limit 1]',
    '[:find nonsense',
  ].map((q) => ({ q }))
  const nested = [
    { photo: { fields: ['title', 'album'] } },
    { person: { fields: ['name'] } },
    { person: { fields: ['attribute', 'code'] } },
    { photo: { where: { code: 'x' } } },
  ].flatMap((q) => [{ q }, { q: JSON.stringify(q) }])
  const pods = ['all', 'followed', full.app.pod, 'did:rhizome:x'].map((pod) => ({ q: '[:find ?e ?a ?v :where [?e ?a ?v]]', pod }))
  const inputs = [{ q: '[:find ?a ?v :in $ ?e :where [?e ?a ?v]]', inputs: [secret.entity] }]
  return [...where, ...nested, ...pods, ...inputs].map((body) => JSON.stringify(body))
}

/** All that is tried without changing anything. */
function tries(): Try[] {
  const all: Try[] = []
  for (const path of paths()) {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS']) {
      const body = method === 'GET' || method === 'HEAD' ? {} : { body: '{}' }
      all.push({ method, path: `/api/1${path}`, ...body })
      if (path.startsWith('/1.0') || path === '/link') all.push({ method, path, ...body })
    }
    for (const written of writings(path)) {
      all.push({ method: 'GET', path: written })
      all.push({ method: 'POST', path: written, body: '{"q": "[:find ?e ?a ?v :where [?e ?a ?v]]"}' })
    }
  }
  for (const body of questions()) all.push({ method: 'POST', path: '/api/1/query', body })
  for (const file of [shared.file, secret.file, NO_FILE]) {
    for (const headers of [{ range: 'bytes=0-9' }, { range: 'bytes=0-0' }, { 'if-none-match': `"${file}"` }, { 'if-none-match': '*' }, { 'if-range': `"${file}"`, range: 'bytes=0-9' }] as Record<string, string>[]) {
      all.push({ method: 'GET', path: `/api/1/blob/${file}`, headers })
      all.push({ method: 'HEAD', path: `/api/1/blob/${file}`, headers })
    }
  }
  for (const [path, body] of [
    ['/apps/preview', { where: 'is-photo: true' }],
    ['/apps/ask', { query: 'user_code=BBBB-BBBB' }],
    ['/apps/allow', { request: 'x', scopes: [], days: null }],
    ['/apps/revoke', { id: full.other.grant }],
    ['/apps/token', { grant_type: 'authorization_code', code: 'x', code_verifier: 'x'.repeat(43), redirect_uri: `${site.origin}/`, client_id: 'did:key:z6Mk', proof: 'x' }],
    ['/apps/device', { client_id: 'did:key:z6Mk', name: 'x', scope: [] }],
    ['/proposals', { id: 'x', adopt: true }],
    ['/drafts', { name: 'x' }],
    ['/drafts/diff', { name: 'x' }],
    ['/drafts/adopt', { name: 'x' }],
    ['/proposals/comment', { id: 'x', text: 'x' }],
    ['/grants', { where: 'is-photo: true', can: 'read', to: full.app.pod }],
    ['/import?dry-run', { path: full.pod.home }],
    ['/recovery/words', {}],
    ['/pair', { member: true, compare: false }],
    ['/doctor', {}],
    ['/sync', {}],
  ] as const) {
    all.push({ method: 'POST', path: `/api/1${path}`, body: JSON.stringify(body) })
  }
  return all
}

type Who = [name: string, headers: (side: Side) => Record<string, string>]

/** As whom: the app's page as a browser sends it, a program with the app's token, the other app, and what opens nothing. */
const WHO: Who[] = [
  ['app', ({ app }) => ({ authorization: `Bearer ${app.access_token}`, origin: site.origin, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' })],
  ['app, no page', ({ app }) => ({ authorization: `Bearer ${app.access_token}` })],
  ['other app', ({ other }) => ({ authorization: `Bearer ${other.access_token}`, origin: otherSite.origin })],
  ['the page of the other app', ({ app }) => ({ authorization: `Bearer ${app.access_token}`, origin: otherSite.origin, 'sec-fetch-site': 'cross-site' })],
  ['blob token', ({ app }) => ({ authorization: `Bearer ${app.blob_token}`, origin: site.origin })],
  ['nothing', () => ({ origin: site.origin })],
  ['elsewhere', ({ app }) => ({ authorization: `Bearer ${app.access_token}`, origin: 'http://evil.example' })],
  ['the token of the owner, from a page', ({ pod }) => ({ authorization: `Bearer ${pod.token}`, origin: site.origin, 'sec-fetch-site': 'cross-site' })],
  ['a link', ({ app }) => ({ authorization: `Bearer ${app.access_token}`, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' })],
]

/** What may differ between the pods: where they listen, their secrets, and when. */
function plain(side: Side, { status, headers, text }: Answer): string {
  const { date: _date, 'content-length': _length, ...kept } = headers
  let out = JSON.stringify({ status, headers: kept }) + text
  const names: [string, string][] = [
    [new URL(side.pod.url).host, 'HOST'],
    ...[side.app, side.other].flatMap((each, at): [string, string][] => [
      [each.access_token, `TOKEN${at}`],
      [each.blob_token, `FILES${at}`],
      [each.grant, `GRANT${at}`],
    ]),
  ]
  for (const [name, general] of names) out = out.replaceAll(name, general)
  return out
    .replace(/"(took_us|at|[a-z]+_ms)":\s?\d+/g, '"$1":0')
    .replace(/"busy_ms":\s?\[\d+/g, '"busy_ms":[0')
    .replace(/bafyr4[a-z2-7]+/g, 'COMMIT')
}

/** The request as it is for this pod: names of the one pod's own things become those of the other's. */
function fit(side: Side, text: string): string {
  let out = text
  for (const which of ['app', 'other'] as const) {
    for (const what of ['access_token', 'blob_token', 'grant'] as const) out = out.replaceAll(full[which][what], side[which][what])
  }
  return out
}

async function tryAt(side: Side, { method, path, body, headers }: Try, who: Who[1]): Promise<Answer> {
  return send(side.pod, method, fit(side, path), { ...who(side), ...headers }, typeof body === 'string' ? fit(side, body) : body)
}

async function inTurns<T, R>(all: T[], at: number, work: (each: T) => Promise<R>): Promise<R[]> {
  const out: R[] = []
  for (let from = 0; from < all.length; from += at) out.push(...(await Promise.all(all.slice(from, from + at).map(work))))
  return out
}

const show = ({ method, path, body }: Try) => `${method} ${path} ${String(body ?? '').slice(0, 200)}`

describe('an app that tries everything', () => {
  it('is tried with paths that give all to the owner', async () => {
    expect(paths().length).toBeGreaterThan(80)
    const asked = tries().filter(({ method, path }) => (method === 'GET' && /^\/api\/1\/(entity|conflicts|devices|apps|status)/.test(path)) || path === '/api/1/query')
    const found = await inTurns(asked, 8, (each) => send(full.pod, each.method, each.path, { authorization: `Bearer ${full.pod.token}` }, each.body))
    expect(found.filter(({ text }) => text.includes(MARK)).length).toBeGreaterThan(15)
    const file = await send(full.pod, 'GET', `/api/1/blob/${secret.file}`, { authorization: `Bearer ${full.pod.token}` })
    expect(file.status).toBe(200)
  })

  for (const [name, who] of WHO) {
    it(`learns nothing of what it was not given, nor how much that is: ${name}`, { timeout: 240_000 }, async () => {
      const all = tries()
      const wrong: string[] = []
      const statuses = new Map<number, number>()
      const file = (await send(full.pod, 'GET', `/api/1/blob/${secret.file}`, { authorization: `Bearer ${full.pod.token}` })).text
      const mine = name === 'app' || name === 'app, no page' ? [NOTE] : name === 'other app' ? TITLES : [NOTE, ...TITLES]
      await inTurns(all, 8, async (each) => {
        const [here, there] = await Promise.all([tryAt(full, each, who), tryAt(bare, each, who)])
        statuses.set(here.status, (statuses.get(here.status) ?? 0) + 1)
        const said = JSON.stringify(here.headers) + here.text
        const bad = [MARK, full.pod.home, full.pod.token, ...mine].filter((text) => said.includes(text))
        // every picture begins alike
        if (here.text.length > 60 && file.includes(here.text) && here.headers['content-type'] === 'image/png') bad.push('bytes of a file')
        if (bad.length > 0) wrong.push(`${show(each)}: ${bad.join(', ')}`)
        const [a, b] = [plain(full, here), plain(bare, there)]
        if (a !== b) wrong.push(`${show(each)}\n  ${a.slice(0, 600)}\n  ${b.slice(0, 600)}`)
      })
      expect(wrong.slice(0, 12)).toEqual([])
      expect(all.length).toBeGreaterThan(3_000)
      // something was answered at all
      if (name.startsWith('app')) expect(statuses.get(200)).toBeGreaterThan(20)
      if (name === 'elsewhere' || name === 'a link') expect([...statuses.keys()].filter((status) => status < 400 && status !== 200)).toEqual([])
    })
  }

  it('gets what it was given, and the file by the token for files alone', async () => {
    const as = WHO[0]?.[1](full) ?? {}
    const titles = await send(full.pod, 'POST', '/api/1/query', as, JSON.stringify({ q: '[:find ?t :where [?p "photo-title" ?t]]' }))
    expect((JSON.parse(titles.text) as { rows: string[][] }).rows.flat().sort()).toEqual([...TITLES].sort())
    const { text, headers } = await send(full.pod, 'GET', `/api/1/blob/${shared.file}?t=${full.app.blob_token}`, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' })
    expect([text.slice(1, 4), headers['content-type']]).toEqual(['PNG', 'image/png'])
    for (const token of [full.app.blob_token, full.other.blob_token]) {
      expect((await send(full.pod, 'GET', `/api/1/blob/${secret.file}?t=${token}`)).status).toBe(404)
    }
    expect((await send(full.pod, 'GET', `/api/1/blob/${shared.file}?t=${full.other.blob_token}`)).status).toBe(404)
    const entity = await send(full.pod, 'GET', `/api/1/entity/${encodeURIComponent(shared.photo)}`, as)
    expect(entity.text).toMatch(/our cook/)
    expect(entity.text).not.toMatch(/before/)
  })
})

/** In the page itself, as any script there could. */
async function inPage<T>(work: (page: Page) => Promise<T>, origin = site.origin): Promise<T> {
  const context = await browser.newContext()
  const page = await context.newPage()
  try {
    await page.goto(`${origin}/`)
    return await work(page)
  } finally {
    await context.close()
  }
}

describe('a script in the page', () => {
  it('reads nothing else, by any path', async () => {
    const all = paths().flatMap((path) => [`/api/1${path}`, path])
    const read = await inPage((page) =>
      page.evaluate(
        async ({ all, url, token, files }) => {
          const texts: string[] = []
          for (const path of all) {
            for (const init of [{ headers: { authorization: `Bearer ${token}` } }, {}, { headers: { authorization: `Bearer ${files}` } }, { mode: 'no-cors' as const }, { method: 'POST', body: '{}', headers: { authorization: `Bearer ${token}` } }]) {
              try {
                const answer = await fetch(url + path, init)
                texts.push(`${answer.status} ${path} ${await answer.text()}`)
              } catch {
                // the browser lets the page see nothing
              }
            }
          }
          return texts
        },
        { all, url: full.pod.url, token: full.app.access_token, files: full.app.blob_token },
      ),
    )
    expect(read.filter((text) => text.includes(MARK) || text.includes(full.pod.home) || text.includes(full.pod.token) || text.includes(NOTE))).toEqual([])
    expect(read.some((text) => text.startsWith('200 /api/1/status'))).toBe(true)
    // neither the console nor the DID document is for pages of others to read
    expect(read.filter((text) => text.includes('<!doctype html>'))).toEqual([])
  })

  it('hears live of nothing else, and of what it was given at once', async () => {
    const listen = (side: Side) =>
      inPage(async (page) => {
        const subjects = [
          ...questions().map((body) => JSON.parse(body) as object),
          { entities: [secret.entity, secret.photo, shared.place, shared.photo, NOWHERE] },
          { status: true },
        ]
        await page.evaluate(
          ({ url, token, subjects }) => {
            const scope = window as unknown as { heard: string[] }
            scope.heard = []
            const socket = new WebSocket(`${url.replace('http', 'ws')}/api/1/live`)
            socket.onopen = () => socket.send(JSON.stringify({ auth: token }))
            socket.onclose = ({ code }) => scope.heard.push(`closed ${code}`)
            socket.onmessage = ({ data }) => {
              scope.heard.push(String(data))
              if (String(data).includes('"ready"')) subjects.forEach((subject, at) => socket.send(JSON.stringify({ subscribe: at + 1, ...subject })))
            }
          },
          { url: side.pod.url, token: side.app.access_token, subjects },
        )
        const heard = () => page.evaluate(() => (window as unknown as { heard: string[] }).heard)
        const quiet = async () => {
          for (let before = -1, now = 0; before !== now || now < subjects.length; ) {
            before = now
            await page.waitForTimeout(500)
            now = (await heard()).length
          }
        }
        await quiet()
        const first = await heard()
        // what is none of its business
        for (let at = 0; at < 5; at++) {
          await own(side.pod, '/tx', [
            set(`_:x${at}`, 'is-photo', true),
            set(`_:x${at}`, 'photo-title', `${MARK} while it listens`),
            set(secret.entity, 'secret-code', `${MARK} ${at}`),
            set(shared.place, 'name', `${MARK} ${at}`),
            set(`_:y${at}`, 'about', { ref: shared.photo }),
          ])
        }
        await page.waitForTimeout(1_500)
        expect((await heard()).slice(first.length)).toEqual([])
        await own(side.pod, '/tx', [set(shared.photo, 'caption', 'still our cook')])
        await page.waitForFunction((before) => (window as unknown as { heard: string[] }).heard.slice(before).some((text) => text.includes('still our cook')), first.length)
        return heard()
      })
    const [here, there] = [await listen(full), await listen(bare)]
    expect(here.filter((text) => text.includes(MARK) || text.includes(NOTE))).toEqual([])
    const general = (side: Side, all: string[]) => all.map((text) => plain(side, { status: 0, headers: {}, text })).sort()
    expect(general(full, here)).toEqual(general(bare, there))
  })

  it('gets no live word with another token, or from another origin', async () => {
    const closed = await inPage((page) =>
      page.evaluate(
        async ({ url, tokens }) => {
          const ends: string[] = []
          for (const token of tokens) {
            ends.push(
              await new Promise<string>((resolve) => {
                const socket = new WebSocket(`${url.replace('http', 'ws')}/api/1/live`)
                socket.onopen = () => socket.send(JSON.stringify({ auth: token }))
                socket.onmessage = ({ data }) => resolve(String(data))
                socket.onclose = ({ code }) => resolve(`closed ${code}`)
              }),
            )
          }
          return ends
        },
        { url: full.pod.url, tokens: ['', 'x'.repeat(43), full.app.blob_token, full.pod.token] },
      ),
    )
    expect(closed).toEqual(Array(4).fill('closed 4401'))
    const third = await serveSample()
    const found = []
    // one that is unknown here, and one of an app that was let in to something else
    for (const { origin } of [third, otherSite]) {
      found.push(
        await inPage(
          (page) =>
            page.evaluate(
              async ({ url, token }) => {
                const said = await new Promise<string>((resolve) => {
                  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/1/live`)
                  socket.onopen = () => socket.send(JSON.stringify({ auth: token }))
                  socket.onmessage = ({ data }) => resolve(String(data))
                  socket.onclose = ({ code }) => resolve(`closed ${code}`)
                })
                const read = await fetch(`${url}/api/1/status`, { headers: { authorization: `Bearer ${token}` } }).then(
                  (answer) => answer.status,
                  () => 'nothing',
                )
                return [said, read]
              },
              { url: full.pod.url, token: full.app.access_token },
            ),
          origin,
        ),
      )
    }
    await third.stop()
    expect(found).toEqual([
      ['closed 1006', 'nothing'],
      ['closed 4401', 403],
    ])
  })
})

describe('an app that writes', () => {
  const write = (body: unknown, path = '/tx'): Try => ({ method: 'POST', path: `/api/1${path}`, body: JSON.stringify(body) })
  const as = (side: Side) => WHO[0]?.[1](side) ?? {}
  const all = (pod: Pod, id: string) => own<{ tuples: unknown[]; history_total: number }>(pod, `/entity/${encodeURIComponent(id)}`)

  it('changes nothing else, and is told the same whether it is there or not', async () => {
    const [before, papers] = [await all(full.pod, secret.entity), await all(full.pod, secret.photo)]
    const steps = (entity: string) => [
      set(entity, 'photo-album', 'garibaldi'),
      set(entity, 'is-photo', true),
      set(entity, 'caption', 'mine'),
      { retract: { entity, attribute: 'secret-code' } },
      { insert: { entity, attribute: 'tag', value: 'x' } },
      { add: { entity, attribute: 'likes', value: 1 } },
      { push: { entity, attribute: 'steps', value: 'x' } },
      { list: { entity, attribute: 'steps', value: ['x'] } },
      { erase: { entity } },
    ]
    const taken = (entity: string) => [set(entity, 'is-photo', true), set(entity, 'photo-album', 'garibaldi')]
    const bodies: Try[] = [secret.entity, secret.photo, shared.place, NOWHERE].flatMap((entity) => [
      ...steps(entity).map((step) => write([step])),
      write(taken(entity)),
      write([...taken(entity), set(shared.photo, 'caption', 'with it')]),
      write({ changes: [set(entity, 'caption', 'please')], comment: '' }, '/propose'),
    ])
    bodies.push(
      // out of what it was given
      write([set(shared.photo, 'photo-album', 'papers')]),
      write([set(shared.photo, 'is-photo', false)]),
      write([{ retract: { entity: shared.photo, attribute: 'is-photo' } }]),
      write([set('_:n', 'is-photo', true)]),
      // and what would be out of it once all was said
      write([...taken('_:n'), set('_:n', 'photo-album', 'papers')]),
      write([...taken('_:n'), { retract: { entity: '_:n', attribute: 'is-photo' } }]),
      write([{ insert: { entity: '_:n', attribute: 'is-photo', value: true } }, set('_:n', 'photo-album', 'garibaldi'), set('_:n', 'is-photo', false)]),
      write([set('_:n', 'is-person', true), set('_:n', 'name', 'x')]),
      // what the pod says of itself
      ...['view/did', 'view/key', 'app-grant/token', 'app-grant/scope', 'rhizome/type', 'process/name', 'message/from', 'import/source', 'device/name', 'grant/where', 'peer/address'].map((attribute) => write([set(shared.photo, attribute, 'x')])),
      // a file that it does not have
      write([set(shared.photo, 'photo-file', { blob: secret.file })]),
      write([set(shared.photo, 'photo-file', { blob: NO_FILE })]),
      { method: 'POST', path: `/api/1/tx?pod=${full.app.pod}`, body: JSON.stringify([set(secret.entity, 'caption', 'x')]) },
      write('nonsense'),
    )
    const wrong: string[] = []
    for (const each of bodies) {
      const [here, there] = [await tryAt(full, each, as), await tryAt(bare, each, as)]
      const [a, b] = [plain(full, here), plain(bare, there)]
      if (a !== b) wrong.push(`${show(each)}\n  ${a}\n  ${b}`)
      if (here.text.includes(MARK)) wrong.push(`${show(each)}: ${here.text}`)
      if (here.status === 200 && each.path === '/api/1/tx') wrong.push(`${show(each)} counted`)
    }
    expect(wrong).toEqual([])
    expect(await all(full.pod, secret.entity)).toEqual(before)
    expect(await all(full.pod, secret.photo)).toEqual(papers)
    for (const { pod, app } of [full, bare]) {
      expect((await send(pod, 'GET', `/api/1/blob/${secret.file}?t=${app.blob_token}`)).status).toBe(404)
    }
  })

  it('writes what it may, in its own name, with a file that it brought', async () => {
    const bytes = Buffer.from('a file of the app')
    const brought = await send(full.pod, 'POST', '/api/1/blob', { ...as(full), 'content-type': 'application/octet-stream' }, bytes)
    const { blob } = JSON.parse(brought.text) as { blob: string }
    const made = await tryAt(full, write([...['is-photo', 'photo-album', 'photo-title', 'photo-file'].map((attribute, at) => set('_:n', attribute, [true, 'garibaldi', 'New', { blob }][at]))]), as)
    expect(made.status).toBe(200)
    const { entities } = JSON.parse(made.text) as { entities: Record<string, string> }
    const { tuples } = (await all(full.pod, entities['_:n'] ?? '')) as { tuples: { app: string | null }[] }
    expect(tuples.length).toBe(4)
    expect(new Set(tuples.map(({ app }) => app)).size).toBe(1)
    expect(tuples[0]?.app).not.toMatch(/console|command/)
    const file = await send(full.pod, 'GET', `/api/1/blob/${blob}?t=${full.app.blob_token}`)
    expect(file.text).toBe('a file of the app')
  })

  it('ends itself, and has nothing any more', async () => {
    expect((await tryAt(full, write({}, '/apps/leave'), as)).status).toBe(200)
    for (const path of ['/status', `/entity/${shared.photo}`, `/blob/${shared.file}`]) {
      expect((await send(full.pod, 'GET', `/api/1${path}`, { authorization: `Bearer ${full.app.access_token}` })).status).toBe(401)
    }
    expect((await send(full.pod, 'GET', `/api/1/blob/${shared.file}?t=${full.app.blob_token}`)).status).toBe(401)
    // the other one is not touched
    expect((await send(full.pod, 'GET', '/api/1/status', { authorization: `Bearer ${full.other.access_token}` })).status).toBe(200)
  })
})
