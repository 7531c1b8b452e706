import { type FormEvent, useState } from 'react'
import { api } from '../api/http'
import { Dialog } from '../parts/dialog'
import { Icon } from '../parts/icon'
import { ErrorNote } from '../parts/note'

const WORDS = 24

/** Whether the paper would take this pod back: typed in at any time, checked by the pod, kept nowhere. */
export function RecoveryTest({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('')
  const [passed, setPassed] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const typed = text.split(/\s+/).filter(Boolean).length
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    api
      .testRecovery(text)
      .then(() => {
        setText('')
        setPassed(true)
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <Dialog title="Test the recovery words" className="recovery" onClose={onClose}>
      {passed ? (
        <>
          <p className="joined" role="status">
            <Icon name="check" size={22} />
            <span>These words take this pod back. The paper is good; put it away again.</span>
          </p>
          <div className="actions">
            <button type="button" className="button primary" onClick={onClose}>
              Close
            </button>
          </div>
        </>
      ) : (
        <form onSubmit={submit}>
          <p>
            Type all {WORDS} words from your paper, in order. This device checks them against what your identity says of its recovery; they are
            stored nowhere and sent to nobody.
          </p>
          <label className="words-field">
            <span>
              The words{' '}
              <span className="count">
                {typed} of {WORDS}
              </span>
            </span>
            <textarea
              value={text}
              rows={5}
              autoComplete="off"
              autoCapitalize="none"
              autoCorrect="off"
              spellCheck={false}
              translate="no"
              required
              onChange={(event) => setText(event.target.value)}
            />
          </label>
          <div className="actions">
            <button type="submit" className="button primary" disabled={busy || typed !== WORDS}>
              Test
            </button>
            <button type="button" className="button" onClick={onClose}>
              Cancel
            </button>
          </div>
        </form>
      )}
      {error !== null && <ErrorNote error={error} />}
    </Dialog>
  )
}
