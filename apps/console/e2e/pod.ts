import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A real pod: the binary named in RHIZOME_BIN, with a home of its own. */
export interface Pod {
  home: string
  url: string
  token: string
  page: (path?: string) => string
  /** Runs `rhizome --home HOME …` and answers what it printed. Throws when it fails. */
  run: (args: string[], input?: string) => Promise<string>
  query: (q: string) => Promise<unknown[][]>
  stop: () => Promise<void>
}

const BINARY = process.env['RHIZOME_BIN'] ?? 'rhizome'

export async function startPod(): Promise<Pod> {
  const home = mkdtempSync(join(tmpdir(), 'rhizome-e2e-'))
  const run = (args: string[], input?: string) => command(['--home', home, ...args], input)
  await run(['init'])
  const child = spawn(BINARY, ['--home', home, 'up', '--listen', '127.0.0.1:0', '--no-open', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const { url, token } = await firstLine(child)
  const base = url.replace(/[#?].*$/, '').replace(/\/$/, '')
  return {
    home,
    url: base,
    token,
    page: (path = '/') => `${base}${path}#token=${token}`,
    run,
    query: async (q) => (JSON.parse(await run(['query', '--json', q])) as { rows: unknown[][] }).rows,
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
      rmSync(home, { recursive: true, force: true })
    },
  }
}

function firstLine(child: ChildProcess): Promise<{ url: string; token: string }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`rhizome up ended with ${code} before it was ready`)))
    if (child.stdout) {
      createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line) as { url: string; token: string }))
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
