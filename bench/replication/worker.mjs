// One side of a peer in a process of its own: does what it is told over the channel to its parent.
import { changed, records } from './records.mjs'

const [name, side] = process.argv.slice(2)
const { A, B } = await import(`./peers/${name}.mjs`)
const me = side === 'a' ? new A() : new B()

const until = async ready => {
  for (let turn = 0; !(await ready()); turn++) {
    // in short intervals, but without keeping the loop from its work
    await new Promise(resolve => turn % 8 ? setImmediate(resolve) : setTimeout(resolve, 1))
  }
}
const all = n => Array.from({ length: n }, (_, i) => i)

let made
const does = {
  start: () => me.start(),
  facts: () => me.facts?.() ?? null,
  // making the records costs more than some take to store them
  prepare: (n, payload) => { made = records(all(n), 0, payload) },
  write: (n, payload, each) => me.write(made, each),
  change: (k, n, payload, version) => me.write(records(changed(k, n), version, payload), k),
  dial: (port, facts) => me.dial(port, facts),
  'hang up': () => me.hangUp(),
  'wait for': (n, payload, version, k) => {
    if (!k) return until(() => me.has(n))
    const wanted = records(changed(k, n), version, payload)
    return until(async () => {
      for (const [key, text] of wanted) if (await me.get(key) !== text) return false
      return true
    })
  },
  cpu: () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000 },
  memory: () => process.memoryUsage().rss
}

process.on('message', async ([number, what, ...args]) => {
  try {
    process.send([number, await does[what](...args) ?? null])
  } catch (error) {
    process.send([number, null, `${name}, ${what}: ${error.stack ?? error}`])
  }
})
for (const kind of ['uncaughtException', 'unhandledRejection']) {
  process.on(kind, error => { console.error(name, side, error); process.exit(1) })
}
