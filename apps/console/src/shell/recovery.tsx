import { type FormEvent, useState } from 'react'
import { api } from '../api/http'
import { Dialog } from '../parts/dialog'
import { ErrorNote } from '../parts/note'
import { askedPositions, ordinal } from './recovery-words'

type Step = { at: 'why' } | { at: 'words'; words: string[] } | { at: 'check'; words: string[]; asked: number[] } | { at: 'done' }

/** The recovery words in a dialog. */
export function RecoveryDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Recovery words" className="recovery" onClose={onClose}>
      <RecoverySteps later="Later" done="Close" onLater={onClose} onDone={onClose} />
    </Dialog>
  )
}

/** Shows the recovery words once the person asks for them, then asks for three of them back. */
export function RecoverySteps(props: { later: string; done: string; onLater: () => void; onDone: () => void }) {
  const [step, setStep] = useState<Step>({ at: 'why' })
  const [answers, setAnswers] = useState<Record<number, string>>({})
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)

  const attempt = async (work: () => Promise<void>) => {
    setBusy(true)
    setError(null)
    try {
      await work()
    } catch (cause) {
      setError(cause)
    } finally {
      setBusy(false)
    }
  }

  const show = () =>
    attempt(async () => {
      const { words } = await api.recoveryWords()
      setStep({ at: 'words', words })
    })

  const confirm = (event: FormEvent) => {
    event.preventDefault()
    void attempt(async () => {
      const typed = Object.fromEntries(Object.entries(answers).map(([at, word]) => [at, word.trim().toLowerCase()]))
      await api.confirmRecovery(typed)
      setStep({ at: 'done' })
    })
  }

  return (
    <>
      {step.at === 'why' && (
        <>
          <p>
            Twenty-four words can bring back your identity when every device is lost. Nobody else has them, and nobody can make them
            again: not us, not a provider.
          </p>
          <p>Take a pen and paper. Whoever reads the words can take over your pod, so look around before you show them.</p>
          <div className="actions">
            <button type="button" className="button primary" disabled={busy} onClick={() => void show()}>
              Show the words
            </button>
            <button type="button" className="button" onClick={props.onLater}>
              {props.later}
            </button>
          </div>
        </>
      )}
      {step.at === 'words' && (
        <>
          <ol className="words" translate="no">
            {step.words.map((word, at) => (
              <li key={at}>{word}</li>
            ))}
          </ol>
          <div className="actions">
            <button
              type="button"
              className="button primary"
              onClick={() => setStep({ at: 'check', words: step.words, asked: askedPositions(step.words.length, 3) })}
            >
              I have written them down
            </button>
          </div>
        </>
      )}
      {step.at === 'check' && (
        <form onSubmit={confirm}>
          <p>Three words from your paper, to be sure that it can be read:</p>
          {step.asked.map((position) => (
            <label key={position} className="field">
              <span>{ordinal(position)} word</span>
              <input
                value={answers[position] ?? ''}
                autoComplete="off"
                autoCapitalize="none"
                spellCheck={false}
                required
                onChange={(event) => setAnswers({ ...answers, [position]: event.target.value })}
              />
            </label>
          ))}
          <div className="actions">
            <button type="submit" className="button primary" disabled={busy}>
              Confirm
            </button>
            <button type="button" className="button" onClick={() => setStep({ at: 'words', words: step.words })}>
              Show the words again
            </button>
          </div>
        </form>
      )}
      {step.at === 'done' && (
        <>
          <p>Done. Keep the paper where you keep things that matter.</p>
          <div className="actions">
            <button type="button" className="button primary" onClick={props.onDone}>
              {props.done}
            </button>
          </div>
        </>
      )}
      {error !== null && <ErrorNote error={error} />}
    </>
  )
}
