// The same records in every system: what it costs until a second device has them, and a change of a few.
//
//   node bench.mjs --device target/release/rhizome-bench [--systems rhizome,yjs,…] [--records 10000] [--payload 100]
//                  [--changes 10] [--each 0] [--runs 3] [--out replication.json]
//
// A and B are two processes. A writes all records while B knows nothing of them ("write"); B dials A, until it has them all ("first");
// A changes some in one transaction while B is connected ("change"); and once more while it is not, then B dials again ("again").
// Wall time, CPU time of both processes, and bytes in both directions: of TCP, counted by a proxy between the two, or in Rhizome's
// datagrams, as QUIC counts them. The systems take turns, so that noise on the machine hits all alike; medians are shown.
import { fork, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = path.dirname(fileURLToPath(import.meta.url))
const { values: options } = parseArgs({
  options: {
    device: { type: 'string', default: path.join(here, '../../target/release/rhizome-bench') },
    systems: { type: 'string', default: 'rhizome,hypercore,automerge,pouchdb,yjs' },
    records: { type: 'string', default: '10000' },
    payload: { type: 'string', default: '100' },
    changes: { type: 'string', default: '10' },
    each: { type: 'string', default: '0' }, // records in a transaction; 0: as many as each system takes well
    runs: { type: 'string', default: '3' },
    out: { type: 'string', default: '' }
  }
})
const [N, PAYLOAD, CHANGES, EACH, RUNS] = ['records', 'payload', 'changes', 'each', 'runs'].map(name => Number(options[name]))
const LIMIT = 300_000
/** Records in a transaction of a peer where it is free to choose. */
const MANY = 1000
const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Counts what passes between two processes. */
class Proxy {
  bytes = 0
  sockets = new Set()

  async open (port) {
    this.server = net.createServer({ noDelay: true }, near => {
      const far = net.connect({ port, host: '127.0.0.1', noDelay: true })
      for (const [from, to] of [[near, far], [far, near]]) {
        this.sockets.add(from)
        from.on('data', data => { this.bytes += data.length; to.write(data) })
        for (const end of ['close', 'error']) from.on(end, () => { to.destroy(); this.sockets.delete(from) })
      }
    })
    await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
    return this.server.address().port
  }

  close () {
    for (const socket of this.sockets) socket.destroy()
    this.server?.close()
  }
}

/** A side of one of the others. */
class Peer {
  waiting = new Map()
  next = 0

  constructor (system, side) {
    this.child = fork(path.join(here, 'worker.mjs'), [system, side], { execArgv: ['--max-old-space-size=6144'] })
    this.child.on('message', ([number, value, error]) => {
      const { resolve, reject } = this.waiting.get(number)
      this.waiting.delete(number)
      if (error) reject(new Error(error)); else resolve(value)
    })
    this.child.on('exit', code => { for (const { reject } of this.waiting.values()) reject(new Error(`${system} ${side} ended with ${code}`)) })
  }

  does (...what) {
    return new Promise((resolve, reject) => {
      this.waiting.set(++this.next, { resolve, reject })
      this.child.send([this.next, ...what])
    })
  }

  end () { this.child.kill('SIGKILL') }
}

/** A device of a pod: `bench/src/device`. */
class Device {
  waiting = []

  constructor (side) {
    this.home = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-rhizome-'))
    this.child = spawn(options.device, ['device', '--home', path.join(this.home, 'pod')], { stdio: ['pipe', 'pipe', 'inherit'] })
    readline.createInterface({ input: this.child.stdout }).on('line', line => {
      const { resolve, reject } = this.waiting.shift()
      const { value, error } = JSON.parse(line)
      if (error) reject(new Error(`rhizome ${side}: ${error}`)); else resolve(value)
    })
    this.child.on('exit', code => { for (const { reject } of this.waiting) reject(new Error(`rhizome ${side} ended with ${code}`)) })
  }

  does (...what) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject })
      this.child.stdin.write(JSON.stringify(what) + '\n')
    })
  }

  end () {
    this.child.kill('SIGKILL')
    fs.rmSync(this.home, { recursive: true, force: true })
  }
}

/** Two sides, ready to begin: how B dials A, and how bytes are counted. */
async function pair (system) {
  if (system === 'rhizome') {
    const a = new Device('a')
    const b = new Device('b')
    await a.does('init')
    await b.does('join', await a.does('invite'))
    const address = await a.does('serve')
    // the keys to what A will write, and where each is; there is nothing else yet
    await b.does('sync', address)
    await b.does('remember', address)
    await b.does('dial')
    await pause(500)
    await b.does('hang up')
    const bytes = async () => {
      const { sent, received } = (await b.does('bytes')).datagrams ?? { sent: 0, received: 0 }
      return sent + received
    }
    return { a, b, write: () => a.does('write', N, PAYLOAD, EACH), dial: () => b.does('dial'), bytes, close () {} }
  }
  const a = new Peer(system, 'a')
  const b = new Peer(system, 'b')
  const proxy = new Proxy()
  const port = await proxy.open(await a.does('start'))
  await b.does('start')
  const facts = await a.does('facts')
  await a.does('prepare', N, PAYLOAD)
  return {
    a,
    b,
    write: () => a.does('write', N, PAYLOAD, EACH || MANY),
    dial: () => b.does('dial', port, facts),
    bytes: () => proxy.bytes,
    close: () => proxy.close()
  }
}

async function run (system) {
  const { a, b, write, dial, bytes, close } = await pair(system)
  const out = {}
  const phase = async (name, before, f) => {
    const cpu = async () => await a.does('cpu') + await b.does('cpu')
    const [cpu0, bytes0] = [await cpu(), before ? await bytes() : 0]
    const start = performance.now()
    await f()
    const ms = performance.now() - start
    await pause(200) // what is still acknowledged
    out[name] = { ms, cpu_ms: await cpu() - cpu0, bytes: await bytes() - bytes0 }
  }
  const timer = setTimeout(() => { console.error(`${system}: not done in ${LIMIT / 1000} s`); process.exit(1) }, LIMIT)
  try {
    await phase('write', true, write)
    await phase('first', false, async () => { await dial(); await b.does('wait for', N, PAYLOAD, 0) })
    const change = version => a.does('change', CHANGES, N, PAYLOAD, version)
    const there = version => b.does('wait for', N, PAYLOAD, version, CHANGES)
    await phase('change', true, async () => { const seen = there(1); await change(1); await seen })
    await b.does('hang up')
    await pause(300)
    await change(2)
    const carried = system === 'rhizome' ? 0 : await bytes()
    await phase('again', false, async () => { await dial(); await there(2) })
    out.again.bytes -= carried
    out.memory = [await a.does('memory'), await b.does('memory')]
  } finally {
    clearTimeout(timer)
    close()
    a.end()
    b.end()
  }
  return out
}

const median = values => values.toSorted((x, y) => x - y)[values.length >> 1]
const systems = options.systems.split(',')
const results = Object.fromEntries(systems.map(system => [system, []]))
for (let turn = 0; turn < RUNS; turn++) {
  for (const system of systems) results[system].push(await run(system))
}
const phases = { first: 'all records', change: `${CHANGES} changed, connected`, again: `${CHANGES} changed, dialled again` }
const figures = {}
for (const system of systems) {
  figures[system] = {}
  for (const name of ['write', ...Object.keys(phases)]) {
    const of = kind => +median(results[system].map(result => result[name][kind])).toFixed(1)
    figures[system][name] = { ms: of('ms'), cpu_ms: of('cpu_ms'), bytes: of('bytes') }
  }
  figures[system].memory = results[system].at(-1).memory
}
const column = text => String(text).padStart(11)
for (const [name, title] of Object.entries(phases)) {
  console.log(`\n${title.padEnd(28)}${systems.map(column).join('')}`)
  for (const [kind, unit] of [['ms', 'ms'], ['cpu_ms', 'ms of CPU'], ['bytes', 'bytes']]) {
    console.log(`${('  ' + unit).padEnd(28)}${systems.map(s => column(figures[s][name][kind])).join('')}`)
    if (!figures.rhizome) continue
    const ratio = s => (figures[s][name][kind] / figures.rhizome[name][kind]).toFixed(2)
    console.log(`${'    times ours'.padEnd(28)}${systems.map(s => column(ratio(s))).join('')}`)
  }
}
if (options.out) {
  const packages = JSON.parse(fs.readFileSync(path.join(here, 'package.json'))).dependencies
  const machine = { cpu: os.cpus()[0]?.model, cores: os.cpus().length, memory: os.totalmem(), kernel: os.release(), node: process.version }
  const asked = { records: N, payload: PAYLOAD, changes: CHANGES, each: EACH, runs: RUNS }
  fs.writeFileSync(options.out, JSON.stringify({ machine, asked, packages, figures, results }, null, 2))
}
