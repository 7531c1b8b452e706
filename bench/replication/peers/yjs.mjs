// Yjs with y-websocket: one document with a map of records, in memory; nothing is signed or encrypted.
import http from 'node:http'
import { createRequire } from 'node:module'
import { WebSocket, WebSocketServer } from 'ws'

const require = createRequire(import.meta.url)

export class A {
  async start () {
    // the server is CommonJS: the document must be of its copy of Yjs
    const { setupWSConnection, getYDoc } = require('y-websocket/bin/utils')
    const server = http.createServer()
    const sockets = new WebSocketServer({ noServer: true })
    sockets.on('connection', setupWSConnection)
    server.on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, ws => sockets.emit('connection', ws, request))
    })
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
    this.doc = getYDoc('records')
    return server.address().port
  }

  write (records, each) {
    const map = this.doc.getMap('records')
    for (let i = 0; i < records.length; i += each) {
      this.doc.transact(() => { for (const [key, text] of records.slice(i, i + each)) map.set(key, text) })
    }
  }
}

export class B {
  async start () {
    const Y = await import('yjs')
    this.doc = new Y.Doc()
    this.map = this.doc.getMap('records')
  }

  async dial (port) {
    const { WebsocketProvider } = await import('y-websocket')
    this.provider = new WebsocketProvider(`ws://127.0.0.1:${port}`, 'records', this.doc, { WebSocketPolyfill: WebSocket, disableBc: true })
  }

  hangUp () { this.provider.destroy() }
  has (n) { return this.map.size >= n }
  get (key) { return this.map.get(key) }
}
