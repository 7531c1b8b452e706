// DataScript's side of the benchmark: one process that answers requests, one JSON object a line (bench/src/protocol.rs).
//
//   node --expose-gc datascript.mjs --data tuples.tsv --params params.json
//
// Queries are DataScript's Datalog, which it parses once and keeps. Where its own engine needs seconds (recursive rules,
// a top list over all posts) the query is the walk over its indexes that its users write instead: entity, descendants,
// reach and latest20.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

const require = createRequire(import.meta.url)
const d = require('datascript')
const version = require('datascript/package.json').version

const { values: options } = parseArgs({ options: { data: { type: 'string' }, params: { type: 'string' } } })

const many = { ':db/cardinality': ':db.cardinality/many' }
const reference = { ':db/valueType': ':db.type/ref' }
const indexed = { ':db/index': true }
const schema = {
  follows: { ...many, ...reference }, likes: { ...many, ...reference }, tag: { ...many, ...indexed },
  author: reference, on: reference, owner: reference, parent: reference,
  name: indexed, city: indexed, 'photo-album': indexed, 'is-photo': indexed, type: indexed, created: indexed
}

/** CPU microseconds of this process, all threads: node has no clock of one thread's. */
const cpu = () => {
  const { user, system } = process.cpuUsage()
  return user + system
}

function read (path) {
  const rows = []
  for (const line of fs.readFileSync(path, 'utf8').split('\n')) {
    if (!line) continue
    const [entity, attribute, type, value] = line.split('\t')
    rows.push([+entity, attribute, type === 's' ? value : type === 'b' ? value === 'true' : +value])
  }
  return rows
}

const latestFirst = (a, b) => b[1] - a[1] || b[0] - a[0]

/** name -> (database, parameter) -> rows; `latest20` and `feed_top20` are ordered. */
const queries = {
  entity: (db, e) => d.datoms(db, ':eavt', e).map(x => [x.a, x.v]),
  value: (db, name) => d.q('[:find ?e :in $ ?n :where [?e "name" ?n]]', db, name),
  album: (db, album) => d.q('[:find ?e :in $ ?n :where [?e "photo-album" ?n] [?e "is-photo" true]]', db, album),
  posts_by_name: (db, name) => d.q('[:find ?p :in $ ?n :where [?a "name" ?n] [?p "author" ?a]]', db, name),
  foaf_posts: (db, name) => d.q('[:find ?a ?b ?p :in $ ?n :where [?a "name" ?n] [?a "follows" ?b] [?p "author" ?b]]', db, name),
  feed: (db, me) => d.q('[:find ?p ?t :in $ ?me :where [?me "follows" ?b] [?p "author" ?b] [?p "created" ?t]]', db, me),
  reply_chain: (db, me) => d.q('[:find ?c :in $ ?me :where [?p "author" ?me] [?p "type" "post"] [?c "on" ?p] [?c "author" ?x] [?x "name" ?n]]', db, me),
  triangle: (db, me) => d.q('[:find ?b ?c :in $ ?me :where [?me "follows" ?b] [?b "follows" ?c] [?c "follows" ?me]]', db, me),
  feed_top20: (db, me) => d.q('[:find ?p ?t :in $ ?me :where [?me "follows" ?b] [?p "author" ?b] [?p "type" "post"] [?p "created" ?t]]', db, me)
    .sort(latestFirst).slice(0, 20),
  tag_city: (db, [tag, city]) => d.q('[:find ?p :in $ ?t ?c :where [?p "tag" ?t] [?p "author" ?a] [?a "city" ?c] [?a "name" ?n]]', db, tag, city),
  descendants: (db, folder) => walk(folder, e => d.datoms(db, ':avet', 'parent', e).map(x => x.e)),
  reach: (db, me) => walk(me, e => d.datoms(db, ':eavt', e, 'follows').map(x => x.v)),
  tag_counts: db => d.q('[:find ?t (count ?e) :where [?e "tag" ?t]]', db),
  latest20: db => {
    // datoms() gives the whole attribute in order of time: there is no way to start from its end.
    const rows = []
    const byTime = d.datoms(db, ':avet', 'created')
    for (let i = byTime.length - 1; i >= 0; i--) {
      const x = byTime[i]
      if (d.datoms(db, ':eavt', x.e, 'type')[0].v === 'post') rows.push([x.e, x.v])
      if (rows.length === 20) break
    }
    return rows
  }
}
const ordered = new Set(['feed_top20', 'latest20'])

/** Everything reachable by `next` in one step or more. */
function walk (start, next) {
  const seen = new Set()
  const open = [start]
  while (open.length) {
    for (const e of next(open.pop())) {
      if (seen.has(e)) continue
      seen.add(e)
      open.push(e)
    }
  }
  return [...seen].map(e => [e])
}

/** The rows of bench/src/answers.rs. */
function canonical (name, rows) {
  if (ordered.has(name)) {
    if (rows.some((row, i) => i > 0 && row[1] > rows[i - 1][1])) throw new Error(`${name}: rows are not latest first`)
    return [...rows].sort(latestFirst).map(row => row.join('\t'))
  }
  return rows.map(row => row.join('\t')).sort()
}
const answer = rows => ({ rows: rows.length, digest: createHash('sha256').update(rows.join('\n')).digest('hex').slice(0, 16) })

const params = JSON.parse(fs.readFileSync(options.params))
const next = {}
let tuples = read(options.data)
let db

const handlers = {
  load () {
    global.gc()
    const before = process.memoryUsage().heapUsed
    const started = cpu()
    db = d.init_db(tuples, schema)
    const cpu_s = (cpu() - started) / 1e6
    global.gc()
    const memory_bytes = process.memoryUsage().heapUsed - before
    const count = tuples.length
    tuples = undefined
    return { loaded: { tuples: count, cpu_s, disk_bytes: null, memory_bytes, version: `${version}, node ${process.version}` } }
  },
  answers: ({ query }) => ({ answers: params[query].map(p => answer(canonical(query, queries[query](db, p)))) }),
  rows: ({ query, index }) => ({ rows: canonical(query, queries[query](db, params[query][index])) }),
  time ({ query, budget_ms }) {
    const call = queries[query]
    const list = params[query]
    const times = []
    let spent = 0
    while (spent < budget_ms * 1000) {
      next[query] = ((next[query] ?? -1) + 1) % list.length
      const started = cpu()
      call(db, list[next[query]])
      const took = cpu() - started
      spent += took
      times.push(took)
    }
    return { times }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  let reply
  try {
    reply = handlers[request.do](request)
  } catch (error) {
    reply = { failed: String(error.stack ?? error) }
  }
  process.stdout.write(JSON.stringify(reply) + '\n')
}
