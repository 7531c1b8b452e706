// Public files of a pod, read and verified by the tools of others: run by ./run, which names the binary in RHIZOME_BIN.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { CarReader } from '@ipld/car'
import { blake3 as hash } from '@noble/hashes/blake3.js'
import { CID } from 'multiformats/cid'
import { from } from 'multiformats/hashes/hasher'

const blake3 = from({ name: 'blake3', code: 0x1e, encode: (bytes) => hash(bytes) })
const home = join(mkdtempSync(join(tmpdir(), 'rhizome-gateway-')), 'home')
const rhizome = process.env.RHIZOME_BIN
const run = (args, input) => JSON.parse(execFileSync(rhizome, ['--home', home, '--json', ...args], { input }))

let up, url, token, picture, secret
const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7) % 251)

async function bring (body) {
  const answer = await fetch(`${url}/api/1/blob`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body })
  return (await answer.json()).blob
}

before(async () => {
  run(['init'])
  up = spawn(rhizome, ['--home', home, '--json', 'up', '--listen', '127.0.0.1:0', '--no-open'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await new Promise((resolve) => createInterface({ input: up.stdout }).once('line', (line) => resolve([line])))
  ;({ url, token } = JSON.parse(line))
  picture = await bring(bytes)
  secret = await bring(new TextEncoder().encode('mine alone'))
  run(['tx', '-'], JSON.stringify([
    { assert: { entity: '_:a', attribute: 'file/blob', value: { blob: picture } } },
    { assert: { entity: '_:a', attribute: 'public', value: true } },
    { assert: { entity: '_:b', attribute: 'file/blob', value: { blob: secret } } }
  ]))
  run(['grant', '--where', 'public: true', '--can', 'read', '--to', 'anyone'])
  const until = Date.now() + 60_000
  while ((await fetch(`${url}/ipfs/${picture}?format=raw`, { method: 'HEAD' })).status !== 200) {
    assert.ok(Date.now() < until, 'the file is not served')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}, { timeout: 120_000 })

after(() => {
  up?.kill()
  rmSync(join(home, '..'), { recursive: true, force: true, maxRetries: 5 })
})

test('@ipld/car reads the CAR, and its block is what the CID says', async () => {
  const answer = await fetch(`${url}/ipfs/${picture}?format=car`)
  assert.match(answer.headers.get('content-type'), /^application\/vnd\.ipld\.car; version=1/)
  const car = await CarReader.fromBytes(new Uint8Array(await answer.arrayBuffer()))
  assert.deepEqual((await car.getRoots()).map(String), [picture])
  const block = await car.get(CID.parse(picture))
  assert.deepEqual(block.bytes, bytes)
  const digest = await blake3.digest(block.bytes)
  assert.equal(String(CID.createV1(0x55, digest)), picture)
})

test('a raw block is what the CID says, whole and in parts', async () => {
  const answer = await fetch(`${url}/ipfs/${picture}`, { headers: { accept: 'application/vnd.ipld.raw' } })
  const block = new Uint8Array(await answer.arrayBuffer())
  assert.equal(String(CID.createV1(0x55, await blake3.digest(block))), picture)
  const part = await fetch(`${url}/ipfs/${picture}?format=raw`, { headers: { range: 'bytes=1000-1999' } })
  assert.equal(part.status, 206)
  assert.deepEqual(new Uint8Array(await part.arrayBuffer()), bytes.slice(1000, 2000))
})

test('what is not public is not there', async () => {
  const answer = await fetch(`${url}/ipfs/${secret}?format=raw`)
  assert.equal(answer.status, 404)
})
