import { type FormEvent, useEffect, useState } from 'react'
import { borrow } from '../api/lending'
import { keep } from '../api/session'
import { Mark } from '../parts/icon'

const FIRST_MS = 400
const EVERY_MS = 2_000

/**
 * Shown without a token: a tab that a link opened, or the pod was restarted. Another tab of the console may lend one, also one that is
 * opened later; else it is pasted. The address stays as it was.
 */
export function Unlock({ onUnlocked }: { onUnlocked: () => void }) {
  const [pasted, setPasted] = useState('')
  const [wrong, setWrong] = useState(false)
  const [asked, setAsked] = useState(false)
  useEffect(() => {
    let over = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const ask = async (ms: number) => {
      const found = document.visibilityState !== 'hidden' && (await borrow(ms))
      if (over) return
      if (found) onUnlocked()
      else {
        setAsked(true)
        timer = setTimeout(() => void ask(EVERY_MS / 2), EVERY_MS / 2)
      }
    }
    void ask(FIRST_MS)
    return () => {
      over = true
      clearTimeout(timer)
    }
  }, [onUnlocked])
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (keep(pasted)) {
      // A clean start: connections that were refused hold on to nothing.
      window.location.reload()
      onUnlocked()
    } else setWrong(true)
  }
  if (!asked) return <main className="unlock" aria-busy="true" aria-label="Looking for another tab of your pod" />
  return (
    <main className="unlock">
      <Mark size={48} />
      <h1>This page needs the key to your pod</h1>
      <p>
        <code>rhizome up</code> prints an address that ends in <code>#token=…</code> each time it starts. Open that address in another
        tab, and this one goes on by itself. Or paste it here.
      </p>
      <form onSubmit={submit}>
        <label htmlFor="token">Address or token</label>
        <input
          id="token"
          value={pasted}
          autoComplete="off"
          spellCheck={false}
          aria-invalid={wrong}
          aria-describedby={wrong ? 'token-wrong' : undefined}
          onChange={(event) => {
            setPasted(event.target.value)
            setWrong(false)
          }}
        />
        {wrong && (
          <p id="token-wrong" className="field-error" role="alert">
            There is no token in this text.
          </p>
        )}
        <button type="submit" className="button primary">
          Open my pod
        </button>
      </form>
      <p className="quiet">The token stays in the tabs of this console. It keeps other programs and web pages away from your data.</p>
    </main>
  )
}
