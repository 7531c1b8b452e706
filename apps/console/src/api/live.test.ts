import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Live, type LiveRow, type Socket } from './live'

class FakeSocket implements Socket {
  sent: unknown[] = []
  onopen: ((event: Event) => void) | null = null
  onmessage: ((event: MessageEvent) => void) | null = null
  onclose: ((event: CloseEvent) => void) | null = null
  send(data: string) {
    this.sent.push(JSON.parse(data))
  }
  close() {}
  open() {
    this.onopen?.(new Event('open'))
    this.say({ ready: true })
  }
  say(message: unknown) {
    this.onmessage?.({ data: JSON.stringify(message) } as MessageEvent)
  }
  drop(code = 1006) {
    this.onclose?.({ code } as CloseEvent)
  }
}

describe('Live', () => {
  let sockets: FakeSocket[] = []
  const last = () => sockets[sockets.length - 1] as FakeSocket
  const make = () =>
    new Live(
      () => {
        const socket = new FakeSocket()
        sockets.push(socket)
        return socket
      },
      () => 'a-token-of-some-length',
    )

  beforeEach(() => {
    sockets = []
    vi.useFakeTimers()
  })
  afterEach(() => vi.useRealTimers())

  it('sends the token first and a subscription only after the pod is ready', () => {
    const live = make()
    live.subscribe({ q: '[:find ?e :where [?e "a/b" _]]', inputs: [] }, {})
    const socket = last()
    expect(socket.sent).toEqual([])
    socket.open()
    expect(socket.sent).toEqual([
      { auth: 'a-token-of-some-length' },
      { subscribe: 1, q: '[:find ?e :where [?e "a/b" _]]', inputs: [] },
    ])
  })

  it('joins the parts of a large result and then passes changes on', () => {
    const live = make()
    const seen: string[] = []
    live.subscribe(
      { q: 'q', inputs: [] },
      {
        reset: (columns, rows) => seen.push(`${columns.join()}=${rows.map((row: LiveRow) => row.key).join()}`),
        changed: ({ added, changed, removed }) =>
          seen.push(`+${added.map((row) => row.key).join()}~${changed.map((row) => row.key).join()}-${removed.join()}`),
      },
    )
    last().open()
    last().say({ id: 1, reset: true, columns: ['?x'], rows: [['r1', [1]]] })
    expect(seen).toEqual([])
    last().say({ id: 1, rows: [['r2', [2]]], done: true })
    last().say({ id: 1, added: [['r3', [3]]], changed: [['r2', [5], 0]], removed: ['r1'] })
    expect(seen).toEqual(['?x=r1,r2', '+r3~r2-r1'])
  })

  it('subscribes again after a loss, with growing pauses', () => {
    const live = make()
    live.subscribe({ q: 'q', inputs: [] }, {})
    last().open()
    last().drop()
    expect(live.state).toBe('lost')
    vi.advanceTimersByTime(249)
    expect(sockets).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(sockets).toHaveLength(2)
    last().drop()
    vi.advanceTimersByTime(499)
    expect(sockets).toHaveLength(2)
    vi.advanceTimersByTime(1)
    last().open()
    expect(live.state).toBe('open')
    expect(last().sent[1]).toEqual({ subscribe: 1, q: 'q', inputs: [] })
  })

  it('says nothing to a listener that has gone, and tells the pod', () => {
    const live = make()
    const reset = vi.fn()
    const stop = live.subscribe({ q: 'q', inputs: [] }, { reset })
    last().open()
    stop()
    stop()
    last().say({ id: 1, reset: true, done: true, rows: [] })
    expect(reset).not.toHaveBeenCalled()
    expect(last().sent.slice(2)).toEqual([{ unsubscribe: 1 }])
  })

  it('does not knock again when the token is refused', () => {
    const live = make()
    live.subscribe({ status: true }, {})
    last().drop(4401)
    vi.advanceTimersByTime(60_000)
    expect(live.state).toBe('refused')
    expect(sockets).toHaveLength(1)
  })
})
