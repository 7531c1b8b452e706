import { type FormEvent, useState } from 'react'
import { keep } from '../api/session'
import { Mark } from '../parts/icon'

/** Shown without a token: another tab, or the pod was restarted. */
export function Unlock({ onUnlocked }: { onUnlocked: () => void }) {
  const [pasted, setPasted] = useState('')
  const [wrong, setWrong] = useState(false)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (keep(pasted)) {
      // A clean start: connections that were refused hold on to nothing.
      window.location.reload()
      onUnlocked()
    } else setWrong(true)
  }
  return (
    <main className="unlock">
      <Mark size={48} />
      <h1>This page needs the key to your pod</h1>
      <p>
        <code>rhizome up</code> prints an address that ends in <code>#token=…</code> each time it starts. Open that address, or paste
        it here.
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
      <p className="quiet">The token stays in this tab. It keeps other programs and web pages away from your data.</p>
    </main>
  )
}
