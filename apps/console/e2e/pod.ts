import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A real pod: the binary named in RHIZOME_BIN, with a home of its own. */
export interface Pod {
  home: string
  readonly url: string
  readonly token: string
  page: (path?: string) => string
  /** Runs `rhizome --home HOME …` and answers what it printed. Throws when it fails. */
  run: (args: string[], input?: string) => Promise<string>
  query: (q: string) => Promise<unknown[][]>
  /** Goes off, and comes back (at another URL). */
  sleep: () => Promise<void>
  wake: () => Promise<void>
  stop: () => Promise<void>
}

const BINARY = process.env['RHIZOME_BIN'] ?? 'rhizome'

/** A pod that begins with `rhizome init`, or with `rhizome join CODE` as one more device of another's; with `null` in an empty home. */
export async function startPod(begin: string[] | null = ['init']): Promise<Pod> {
  const home = mkdtempSync(join(tmpdir(), 'rhizome-e2e-'))
  if (begin) await command(['--home', home, ...begin])
  return startAt(home)
}

/** A second one that is the same, to the last byte: of a pod that is off. The two must never meet. */
export function copyPod(of: Pod): Promise<Pod> {
  const home = mkdtempSync(join(tmpdir(), 'rhizome-e2e-'))
  cpSync(of.home, home, { recursive: true })
  return startAt(home)
}

async function startAt(home: string): Promise<Pod> {
  const run = (args: string[], input?: string) => command(['--home', home, ...args], input)
  const start = () =>
    spawn(BINARY, ['--home', home, 'up', '--listen', '127.0.0.1:0', '--no-open', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let child = start()
  const ready = async () => {
    const { url, token } = await firstLine<{ url: string; token: string }>(child)
    return { url: url.replace(/[#?].*$/, '').replace(/\/$/, ''), token }
  }
  let now = await ready()
  return {
    home,
    get url() {
      return now.url
    },
    get token() {
      return now.token
    },
    page: (path = '/') => `${now.url}${path}#token=${now.token}`,
    run,
    query: async (q) => (JSON.parse(await run(['query', '--json', q])) as { rows: unknown[][] }).rows,
    sleep: () => end(child),
    wake: async () => {
      child = start()
      now = await ready()
    },
    stop: async () => {
      await end(child)
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** A device that joins by a code without a secret: what it shows, and what its person says. */
export interface Newcomer {
  emoji: { symbol: string; name: string }[]
  say: (answer: string) => void
  /** What it printed as an error in the end; nothing if it joined. */
  ended: Promise<string>
  stop: () => Promise<void>
}

export async function startComparing(code: string, name: string): Promise<Newcomer> {
  const home = mkdtempSync(join(tmpdir(), 'rhizome-e2e-'))
  const child = spawn(BINARY, ['--home', home, '--json', 'join', code, '--name', name], { stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  const ended = new Promise<string>((resolve) => child.once('close', () => resolve(errors)))
  const { emoji } = await firstLine<Pick<Newcomer, 'emoji'>>(child)
  return {
    emoji,
    say: (answer) => child.stdin.write(`${answer}\n`),
    ended,
    stop: async () => {
      await end(child)
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** A peer that keeps pods sealed, with a home and a port of its own. */
export interface CloudPeer {
  address: string
  /** Goes off, and comes back at the same place. */
  sleep: () => Promise<void>
  wake: () => Promise<void>
  stop: () => Promise<void>
}

export async function startCloudPeer(): Promise<CloudPeer> {
  const home = mkdtempSync(join(tmpdir(), 'rhizome-e2e-cloud-'))
  const listen = `127.0.0.1:${await freePort()}`
  const start = () => spawn(BINARY, ['--home', home, 'cloud-peer', '--listen', listen, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let child = start()
  const { address } = await firstLine<{ address: string }>(child)
  return {
    address,
    sleep: () => end(child),
    wake: async () => {
      child = start()
      await firstLine(child)
    },
    stop: async () => {
      await end(child)
      rmSync(home, { recursive: true, force: true })
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', reject)
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}

function firstLine<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${child.spawnargs.join(' ')} ended with ${code} before it was ready`)))
    if (child.stdout) {
      createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line) as T))
    }
  })
}

function command(args: string[], input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(BINARY, args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`rhizome ${args.join(' ')}: ${stderr || error.message}`))
      else resolve(stdout)
    })
    if (input !== undefined) child.stdin?.end(input)
  })
}
