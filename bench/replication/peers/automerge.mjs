// automerge-repo over a WebSocket: one document with a map of records, in memory.
import * as Automerge from '@automerge/automerge'
import { Repo } from '@automerge/automerge-repo'
import { WebSocketClientAdapter, WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { WebSocketServer } from 'ws'

// a text that is replaced as a whole: what a plain string becomes can be edited letter by letter, and costs more
const Whole = Automerge.ImmutableString ?? Automerge.RawString

export class A {
  async start () {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await new Promise(resolve => server.on('listening', resolve))
    this.repo = new Repo({ network: [new WebSocketServerAdapter(server)], sharePolicy: async () => true })
    this.handle = this.repo.create({ records: {} })
    return server.address().port
  }

  facts () { return this.handle.url }

  write (records, each) {
    for (let i = 0; i < records.length; i += each) {
      this.handle.change(doc => { for (const [key, text] of records.slice(i, i + each)) doc.records[key] = new Whole(text) })
    }
  }
}

export class B {
  async start () { this.repo = new Repo({ network: [] }) }

  dial (port, url) {
    this.adapter = new WebSocketClientAdapter(`ws://127.0.0.1:${port}`)
    this.repo.networkSubsystem.addNetworkAdapter(this.adapter)
    if (!this.asked) {
      this.asked = true
      this.repo.find(url).then(handle => { this.handle = handle })
    }
  }

  hangUp () {
    this.repo.networkSubsystem.removeNetworkAdapter?.(this.adapter)
    try { this.adapter.disconnect() } catch {}
  }

  get records () { try { return this.handle?.doc()?.records } catch { return undefined } }
  has (n) { const records = this.records; return !!records && Object.keys(records).length >= n }
  get (key) { return this.records?.[key]?.val }
}
