// hypercore with hyperbee, a signed log that holds a B-tree: one writer, stored on disk, Noise over TCP.
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'

const directory = () => fs.mkdtempSync(path.join(os.tmpdir(), 'bench-hypercore-'))
const tree = core => new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'utf-8' })

function replicate (store, socket, initiator) {
  const stream = store.replicate(initiator)
  socket.pipe(stream).pipe(socket)
  // a broken connection is how each phase ends
  socket.on('error', () => {})
  stream.on('error', () => {})
  return stream
}

class Side {
  constructor () {
    this.directory = directory()
    process.on('exit', () => fs.rmSync(this.directory, { recursive: true, force: true }))
    this.store = new Corestore(this.directory)
  }
}

export class A extends Side {
  async start () {
    this.core = this.store.get({ name: 'records' })
    this.tree = tree(this.core)
    await this.tree.ready()
    this.server = net.createServer(socket => replicate(this.store, socket, false))
    await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
    return this.server.address().port
  }

  facts () { return this.core.key.toString('hex') }

  async write (records, each) {
    for (let i = 0; i < records.length; i += each) {
      const batch = this.tree.batch()
      for (const [key, text] of records.slice(i, i + each)) await batch.put(key, text)
      await batch.flush()
    }
  }
}

export class B extends Side {
  async start () {}

  async dial (port, key) {
    if (!this.core) {
      this.core = this.store.get({ key: Buffer.from(key, 'hex') })
      this.tree = tree(this.core)
      await this.tree.ready()
    }
    this.socket = net.connect(port, '127.0.0.1')
    this.stream = replicate(this.store, this.socket, true)
    // a whole copy, not only what is asked for
    this.core.download({ start: 0, end: -1 })
    await this.core.update({ wait: true })
  }

  hangUp () { this.socket.destroy(); this.stream.destroy() }

  async has (n) {
    if (this.core.length === 0 || this.core.contiguousLength < this.core.length) return false
    let count = 0
    for await (const _ of this.tree.createReadStream()) count++
    return count >= n
  }

  async get (key) {
    await this.core.update()
    return (await this.tree.get(key, { wait: true, timeout: 5000 }).catch(() => null))?.value
  }
}
