// PouchDB, replicating from a server that speaks CouchDB's protocol (express-pouchdb): both in memory, a document for each record.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import express from 'express'
import expressPouch from 'express-pouchdb'
import PouchDB from 'pouchdb'
import memory from 'pouchdb-adapter-memory'

PouchDB.plugin(memory)

export class A {
  async start () {
    const Memory = PouchDB.defaults({ adapter: 'memory' })
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-pouchdb-'))
    process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }))
    const app = express()
    const logPath = path.join(directory, 'log.txt')
    app.use('/', expressPouch(Memory, { mode: 'minimumForPouchDB', logPath, inMemoryConfig: true }))
    const server = await new Promise(resolve => { const server = app.listen(0, '127.0.0.1', () => resolve(server)) })
    this.db = new Memory('records')
    return server.address().port
  }

  async write (records, each) {
    for (let i = 0; i < records.length; i += each) {
      const some = records.slice(i, i + each)
      const known = await this.db.allDocs({ keys: some.map(([key]) => key) })
      const docs = some.map(([key, body], k) => ({ _id: key, _rev: known.rows[k].value?.rev, body }))
      await this.db.bulkDocs(docs)
    }
  }
}

export class B {
  async start () { this.db = new PouchDB('copy', { adapter: 'memory' }) }

  dial (port) {
    this.replication = this.db.replicate.from(`http://127.0.0.1:${port}/records`, { live: true, retry: false, batch_size: 1000 })
    // a broken connection is how each phase ends
    this.replication.on('error', () => {})
    this.replication.catch?.(() => {})
  }

  hangUp () { this.replication.cancel() }
  async has (n) { return (await this.db.info()).doc_count >= n }
  async get (key) { return (await this.db.get(key).catch(() => null))?.body }
}
