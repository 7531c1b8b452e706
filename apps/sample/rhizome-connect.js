/**
 * Asks a Rhizome pod for a part of somebody's data, and talks to it. One file, no dependencies, for any page; docs/apps.md tells the same
 * story in words.
 *
 *     import { ask, comeBack, Refused } from './rhizome-connect.js'
 *
 *     const pod = await comeBack()                       // null if this page has nothing (yet)
 *     button.onclick = () => ask({ pod: 'http://127.0.0.1:8420', name: 'My app', scope: [{ where: 'is-photo: true', can: 'read', why: '…' }] })
 *     const { rows } = await pod.query('[:find ?title :where [_ "photo-title" ?title]]')
 *     pod.live('[:find ?p ?t :where [?p "photo-title" ?t]]', (rows) => draw(rows))
 *
 * What is where: the key that says which app this is lies in IndexedDB, and nobody, not even this page, can read it out. The tokens lie in
 * sessionStorage, so they go with the tab.
 */

/** The pod, or the person, said no. `code` stays the same between versions: `access_denied`, `not-granted`, `quota`, … */
export class Refused extends Error {
  constructor(code, message) {
    super(message)
    this.name = 'Refused'
    this.code = code
  }
}

const PENDING = 'rhizome.pending'
const SESSION = 'rhizome.session'

/**
 * Sends the browser to the pod, where the person is asked. It comes back to `redirectUri` (this page, if it is not named), where `comeBack`
 * goes on. `scope`: at most 8 of `{ where, can: 'read' | 'propose' | 'write', why }`; `days`: for how long, if not for good.
 */
export async function ask({ pod, name, scope, days, redirectUri = location.origin + location.pathname }) {
  // Two secrets that this tab keeps. `state` comes back with the answer: it shows that the answer is to this question. Of `verifier` only
  // the hash goes along: whoever reads the code on its way back can do nothing with it.
  const [state, verifier] = [random(), random()]
  const { id } = await key()
  pod = new URL(pod).origin
  sessionStorage.setItem(PENDING, JSON.stringify({ pod, state, verifier, redirectUri, scope }))
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  const to = new URL('/authorize', pod)
  to.search = new URLSearchParams({
    client_id: id,
    name,
    redirect_uri: redirectUri,
    state,
    code_challenge: base64url(hash),
    code_challenge_method: 'S256',
    scope: JSON.stringify(scope),
    ...(days && { days: String(days) }),
  }).toString()
  location.assign(to)
}

/**
 * What this page has: it has just been sent back here with an answer, or it got one before in this tab. Throws `Refused` if the answer was
 * no. Takes the answer out of the address, so that a reload does not bring it twice.
 */
export async function comeBack() {
  const answer = new URLSearchParams(location.search)
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? 'null')
  if (!answer.has('state') || !(answer.has('code') || answer.has('error'))) {
    const session = JSON.parse(sessionStorage.getItem(SESSION) ?? 'null')
    return session && new Pod(session)
  }
  history.replaceState(null, '', location.pathname)
  sessionStorage.removeItem(PENDING)
  // An answer that nobody here asked for: somebody else's link. Nothing is done with it.
  if (pending === null || answer.get('state') !== pending.state) throw new Refused('state', 'This answer is to a question that this tab did not ask.')
  if (answer.get('iss') !== pending.pod) throw new Refused('state', 'This answer is from another pod than the one that was asked.')
  if (answer.has('error')) throw new Refused(answer.get('error'), answer.get('error') === 'access_denied' ? 'You refused.' : `The pod says: ${answer.get('error')}`)

  // The code is worth nothing by itself: what counts is the verifier, and a signature by this app's key.
  const { id, sign } = await key()
  const code = answer.get('code')
  const token = await post(`${pending.pod}/api/1/apps/token`, {
    grant_type: 'authorization_code',
    code,
    code_verifier: pending.verifier,
    redirect_uri: pending.redirectUri,
    client_id: id,
    proof: base64url(await sign(`rhizome app token v1\n${code}`)),
  })
  const session = { url: pending.pod, asked: pending.scope, ...token }
  sessionStorage.setItem(SESSION, JSON.stringify(session))
  return new Pod(session)
}

/** A pod that let this page in. */
class Pod {
  #token
  #blobToken
  #socket = null
  #subscriptions = new Map()
  #nextId = 1
  #retryMs = 250
  #over = false
  #isLeaving = false

  constructor(session) {
    this.url = session.url
    /** The DID of whose pod it is. */
    this.did = session.pod
    /** What was asked for, and what was given: it may be less. */
    this.asked = session.asked
    this.scopes = session.scopes
    this.untilMs = session.until_ms
    this.#token = session.access_token
    this.#blobToken = session.blob_token
    /** Called once when this is over, with the reason in words: it was taken back, or its time is over. */
    this.onEnd = () => {}
    /** Called with `true` when the pod is there, with `false` when the connection is lost; it then tries again by itself. */
    this.onConnection = () => {}
  }

  /** One query, once: `{ columns, rows }`. */
  query(q, inputs = []) {
    return this.#call('/query', { q, inputs })
  }

  /** Writes, all of it or nothing: `[{ assert: { entity, attribute, value } }, …]`. */
  tx(changes) {
    return this.#call('/tx', changes)
  }

  /** Suggests changes, which the person adopts or not. */
  propose(changes, comment = '') {
    return this.#call('/propose', { changes, comment })
  }

  /** All about one entity. */
  entity(id) {
    return this.#call(`/entity/${encodeURIComponent(id)}`)
  }

  /** For `<img src>`, which cannot send a token. This address is a secret as the token is: leave it in this page. */
  fileUrl(cid) {
    return `${this.url}/api/1/blob/${encodeURIComponent(cid)}?t=${encodeURIComponent(this.#blobToken)}`
  }

  /** Brings a file; then name it in a tuple: `{ blob: cid }`. */
  async addFile(bytes) {
    return (await this.#call('/blob', bytes)).blob
  }

  /** Gives it back. */
  async leave() {
    this.#isLeaving = true
    await this.#call('/apps/leave', {})
    this.#end('')
  }

  /**
   * A query whose result stays true: `listener(rows)` gets all rows now and after every change. Returns a function that ends it.
   * What a subscription may not see is as if it did not exist.
   */
  live(q, listener, failed = () => {}) {
    const id = this.#nextId++
    this.#subscriptions.set(id, { q, listener, failed, rows: new Map() })
    if (this.#socket?.readyState === WebSocket.OPEN && this.#socket.isReady) this.#say({ subscribe: id, q, inputs: [] })
    else this.#connect()
    return () => {
      this.#subscriptions.delete(id)
      if (this.#socket?.isReady) this.#say({ unsubscribe: id })
    }
  }

  async #call(path, body) {
    const url = `${this.url}/api/1${path}`
    const headers = { authorization: `Bearer ${this.#token}` }
    try {
      return await (body === undefined ? answer(fetch(url, { headers, credentials: 'omit' })) : post(url, body, headers))
    } catch (error) {
      // the token is good no longer
      if (error instanceof Refused && error.status === 401) this.#end('You took back what this page may do.')
      throw error
    }
  }

  #say(message) {
    this.#socket?.send(JSON.stringify(message))
  }

  #connect() {
    if (this.#socket !== null || this.#over) return
    const socket = new WebSocket(`${this.url.replace(/^http/, 'ws')}/api/1/live`)
    this.#socket = socket
    // The token goes in the first message, not in the address: addresses are written into logs.
    socket.onopen = () => this.#say({ auth: this.#token })
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data))
    socket.onclose = ({ code }) => {
      this.#socket = null
      if (this.#over) return
      // 4401: no such token; 4403: it was good until now
      if (code === 4401 || code === 4403) {
        this.#end('You took back what this page may do, or its time is over.')
        return
      }
      this.onConnection(false)
      setTimeout(() => this.#connect(), this.#retryMs)
      this.#retryMs = Math.min(this.#retryMs * 2, 10_000)
    }
  }

  #hear(message) {
    if (message.ready) {
      this.#socket.isReady = true
      this.#retryMs = 250
      this.onConnection(true)
      for (const [id, { q }] of this.#subscriptions) this.#say({ subscribe: id, q, inputs: [] })
      return
    }
    const subscription = this.#subscriptions.get(message.id)
    if (!subscription) return
    const { rows } = subscription
    if (message.error) subscription.failed(new Refused(message.error.code, message.error.message))
    // A result comes in parts: the first says `reset`, the last `done`. Afterwards only what changed.
    if (message.reset) rows.clear()
    for (const [id, cells] of [...(message.rows ?? []), ...(message.added ?? []), ...(message.changed ?? [])]) rows.set(id, cells)
    for (const id of message.removed ?? []) rows.delete(id)
    if (message.done || message.added || message.changed || message.removed) subscription.listener([...rows.values()])
  }

  #end(why) {
    if (this.#over) return
    this.#over = true
    sessionStorage.removeItem(SESSION)
    this.#socket?.close()
    this.onEnd(this.#isLeaving ? 'You disconnected.' : why)
  }
}

async function post(url, body, headers = {}) {
  const isBytes = body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body)
  const type = isBytes ? 'application/octet-stream' : 'application/json'
  return answer(fetch(url, { method: 'POST', headers: { ...headers, 'content-type': type }, body: isBytes ? body : JSON.stringify(body), credentials: 'omit' }))
}

async function answer(asked) {
  let response
  try {
    response = await asked
  } catch {
    // Off, or it does not know this page (any more): a browser does not tell pages which.
    throw new Refused('unreachable', 'The pod does not answer this page.')
  }
  const body = await response.json().catch(() => ({}))
  if (response.ok) return body
  const refused = new Refused(body.error?.code ?? 'unknown', body.error?.message ?? `The pod answered with status ${response.status}.`)
  refused.status = response.status
  throw refused
}

/** 256 bits that nobody can guess. */
function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)))
}

function base64url(bytes) {
  const text = String.fromCharCode(...new Uint8Array(bytes))
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/**
 * Who this app is: an Ed25519 key of its own, made once for this origin. The browser keeps it and signs with it; nobody can take it away.
 * `id` is its did:key: `z`, and in base 58 the two bytes that say “Ed25519” with the 32 bytes of the public key.
 */
async function key() {
  const store = await new Promise((resolve, reject) => {
    const open = indexedDB.open('rhizome-connect', 1)
    open.onupgradeneeded = () => open.result.createObjectStore('keys')
    open.onsuccess = () => resolve(open.result)
    open.onerror = () => reject(open.error)
  })
  const keys = (mode) => store.transaction('keys', mode).objectStore('keys')
  let pair = await done(keys('readonly').get('app'))
  if (!pair) {
    pair = await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify'])
    await done(keys('readwrite').put(pair, 'app'))
  }
  store.close()
  const bytes = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
  return {
    id: `did:key:z${base58([0xed, 0x01, ...bytes])}`,
    sign: (text) => crypto.subtle.sign('Ed25519', pair.privateKey, new TextEncoder().encode(text)),
  }
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

const LETTERS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** The bytes as one large number, in base 58. (The first byte of a key is never zero, so leading ones need no care.) */
function base58(bytes) {
  let number = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  let text = ''
  for (; number > 0n; number /= 58n) text = LETTERS[Number(number % 58n)] + text
  return text
}
