import { keep, looksLikeToken, token } from './session'

/**
 * A tab that some link opened has no token; another tab of this origin may have one. The one asks all others by a BroadcastChannel, which
 * no page of another origin can hear; each that has a token answers, and nobody says anything unasked. A token is kept only after the pod
 * has taken it: a tab that slept through a restart would lend one that is worth nothing.
 */

const CHANNEL = 'rhizome.token'

type Message = { ask: string } | { answer: string; token: string }

function isMessage(data: unknown): data is Message {
  if (typeof data !== 'object' || data === null) return false
  const { ask, answer, token: lent } = data as Record<string, unknown>
  return typeof ask === 'string' || (typeof answer === 'string' && typeof lent === 'string')
}

/** Answers other tabs from now on. The function that comes back ends that. */
export function lend(): () => void {
  if (typeof BroadcastChannel === 'undefined') return () => {}
  const channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    const own = token()
    if (own && isMessage(data) && 'ask' in data) channel.postMessage({ answer: data.ask, token: own } satisfies Message)
  }
  return () => channel.close()
}

/**
 * Asks the other tabs once. True as soon as one has lent a token that the pod takes and that is kept now; false when none did within `ms`.
 */
export function borrow(ms: number, isGood: (token: string) => Promise<boolean> = podTakes): Promise<boolean> {
  if (typeof BroadcastChannel === 'undefined') return Promise.resolve(false)
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(CHANNEL)
    const question = crypto.randomUUID()
    const tried = new Set<string>()
    const end = (found: boolean) => {
      clearTimeout(timer)
      channel.onmessage = null
      channel.close()
      resolve(found)
    }
    const timer = setTimeout(() => end(false), ms)
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (!isMessage(data) || !('answer' in data) || data.answer !== question) return
      const lent = data.token
      if (!looksLikeToken(lent) || tried.has(lent)) return
      tried.add(lent)
      isGood(lent).then(
        (good) => {
          if (good && channel.onmessage !== null) end(keep(lent))
        },
        () => {},
      )
    }
    channel.postMessage({ ask: question } satisfies Message)
  })
}

async function podTakes(lent: string): Promise<boolean> {
  const answer = await fetch('/api/1/status', { headers: { authorization: `Bearer ${lent}` }, credentials: 'omit', cache: 'no-store' })
  return answer.ok
}
