import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, request as ask } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import type { Pod } from './pod'

/** The other side: a page of another origin, and an app that knows no limits. */

const SAMPLE = join(import.meta.dirname, '../../sample')
const TYPES: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' }

export interface Site {
  origin: string
  stop: () => Promise<void>
}

/** Serves apps/sample at `http://localhost:PORT`, which is no origin of a pod. */
export function serveSample(): Promise<Site> {
  const server = createServer((request, response) => {
    const name = (request.url ?? '/').replace(/[?#].*$/, '').slice(1) || 'index.html'
    const type = TYPES[extname(name)]
    if (!type || !/^[a-z-]+\.[a-z]+$/.test(name)) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(readFileSync(join(SAMPLE, name)))
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      resolve({
        origin: `http://localhost:${port}`,
        stop: () =>
          new Promise((ended) => {
            server.close(() => ended())
            server.closeAllConnections()
          }),
      })
    })
  })
}

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
}

/** One request as it is written here: nothing is made tidy, neither `//` nor `%2f` nor `..`. */
export function send(pod: Pod, method: string, path: string, headers: Record<string, string> = {}, body?: string | Buffer): Promise<Answer> {
  const { hostname, port } = new URL(pod.url)
  return new Promise((resolve, reject) => {
    const request = ask({ host: hostname, port, method, path, headers: { ...headers, ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }) } }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(parts).toString('latin1') }))
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** Asks with the owner's token. */
export async function own<T>(pod: Pod, path: string, body?: unknown): Promise<T> {
  const answer = await send(pod, body === undefined ? 'GET' : 'POST', `/api/1${path}`, { authorization: `Bearer ${pod.token}` }, body === undefined ? undefined : JSON.stringify(body))
  if (answer.status !== 200) throw new Error(`${path}: ${answer.text}`)
  return JSON.parse(Buffer.from(answer.text, 'latin1').toString()) as T
}

const LETTERS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

export class AppKey {
  readonly id: string
  readonly #key: KeyObject

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const bytes = Buffer.concat([Buffer.from([0xed, 0x01]), Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')])
    let text = ''
    for (let number = BigInt(`0x${bytes.toString('hex')}`); number > 0n; number /= 58n) text = LETTERS.charAt(Number(number % 58n)) + text
    this.id = `did:key:z${text}`
    this.#key = privateKey
  }

  proof(code: string): string {
    return sign(null, Buffer.from(`rhizome app token v1\n${code}`), this.#key).toString('base64url')
  }
}

export interface Scope {
  where: string
  can: 'read' | 'propose' | 'write'
  why?: string
}

export interface Tokens {
  access_token: string
  blob_token: string
  grant: string
  pod: string
  scopes: Scope[]
  until_ms: number | null
}

/** All of the way of a web app, with a person who says yes to `give`. */
export async function letIn(pod: Pod, origin: string, name: string, scope: Scope[], give: (Omit<Scope, 'why'> | null)[], key = new AppKey()): Promise<Tokens> {
  const verifier = randomBytes(32).toString('base64url')
  const redirect = `${origin}/`
  const query = new URLSearchParams({
    client_id: key.id,
    name,
    redirect_uri: redirect,
    state: randomBytes(16).toString('base64url'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    scope: JSON.stringify(scope),
  }).toString()
  const { request } = await own<{ request: string }>(pod, '/apps/ask', { query })
  const { redirect: back } = await own<{ redirect: string }>(pod, '/apps/allow', { request, scopes: give, days: null })
  const code = new URL(back).searchParams.get('code') ?? ''
  const answer = await send(
    pod,
    'POST',
    '/api/1/apps/token',
    { origin, 'content-type': 'application/json' },
    JSON.stringify({ grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirect, client_id: key.id, proof: key.proof(code) }),
  )
  if (answer.status !== 200) throw new Error(`/apps/token: ${answer.text}`)
  return JSON.parse(answer.text) as Tokens
}
