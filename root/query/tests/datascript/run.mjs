// Reads cases as JSON lines on standard input, runs each on DataScript and compares the rows with those given.
//   {"facts": [[entity, attribute, value], …]}                              the data of the cases that follow
//   {"query": "…", "rules": "…" | null, "inputs": […], "rows": [[…], …]}    a case; entities are written @3 in texts, 3 in rows
// Prints a line for each disagreement and one with the counts at the end; exit status 1 if there was any disagreement.
// DataScript follows every path of a recursive rule; a case that takes it more CPU time than the patience is counted and left out.
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'

const PATIENCE = 1e6 // microseconds
if (isMainThread) await lead()
else await work()

async function work() {
  const { createRequire } = await import('node:module')
  const d = createRequire(import.meta.url)('datascript')
  const many = { ':db/cardinality': ':db.cardinality/many' }
  const ref = { ':db/valueType': ':db.type/ref' }
  const schema = { 'e/link': { ...many, ...ref }, 'e/parent': ref, 'e/knows': { ...many, ...ref }, 'n/age': many, 's/name': many, 's/tag': many }
  const ids = text => text.replace(/@(\d+)/g, '$1')
  let db
  parentPort.on('message', c => {
    if (c.facts) db = d.init_db(c.facts, schema)
    else {
      const inputs = c.rules === null ? c.inputs : [ids(c.rules), ...c.inputs]
      try {
        const found = d.q(ids(c.query), db, ...inputs)
        // a collection result is a list of single cells
        parentPort.postMessage(/^\[:find \[/.test(c.query) ? found.map(x => [x]) : found)
      } catch (e) {
        parentPort.postMessage([[String(e)]])
      }
    }
  })
}

async function lead() {
  const { createInterface } = await import('node:readline')
  let worker, facts
  const start = () => {
    worker = new Worker(fileURLToPath(import.meta.url))
    if (facts) worker.postMessage(facts)
  }
  const used = () => process.cpuUsage().user + process.cpuUsage().system
  const ask = c =>
    new Promise(resolve => {
      const from = used()
      const timer = setInterval(async () => {
        if (used() - from < PATIENCE) return
        clearInterval(timer)
        worker.removeAllListeners('message')
        await worker.terminate()
        start()
        resolve(null)
      }, 100)
      worker.once('message', m => {
        clearInterval(timer)
        resolve(m)
      })
      worker.postMessage(c)
    })
  // a list cell is compared as a set of values in order: DataScript gives the largest of (max n ?x) smallest first
  const by = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
  const normal = rows => rows.map(r => JSON.stringify(r.map(c => (Array.isArray(c) ? [...c].sort(by) : c)))).sort()
  const count = { agree: 0, differ: 0, answers: 0, recursive: 0, slow: 0 }
  start()
  for await (const line of createInterface({ input: process.stdin })) {
    const c = JSON.parse(line)
    if (c.facts) {
      worker.postMessage((facts = c))
      continue
    }
    const answer = await ask(c)
    if (answer === null) {
      count.slow++
      continue
    }
    const [found, expected] = [normal(answer), normal(c.rows)]
    if (JSON.stringify(found) === JSON.stringify(expected)) {
      count.agree++
      if (expected.length) count.answers++
      if (c.rules) count.recursive++
    } else {
      count.differ++
      console.log(JSON.stringify({ query: c.query, rules: c.rules, inputs: c.inputs, datascript: found.slice(0, 8), n: found.length, rhizome: expected.slice(0, 8), m: expected.length, facts: facts.facts }))
    }
  }
  console.log(JSON.stringify(count))
  await worker.terminate()
  process.exitCode = count.differ ? 1 : 0
}
