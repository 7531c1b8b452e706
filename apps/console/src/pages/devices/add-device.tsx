import { useEffect, useState } from 'react'
import { api } from '../../api/http'
import { clock } from '../../data/exchange'
import { devices } from '../../data/polled'
import { CopyButton } from '../../parts/copy'
import { Dialog } from '../../parts/dialog'
import { Icon } from '../../parts/icon'
import { ErrorNote } from '../../parts/note'
import { QrCode } from '../../parts/qr'

type Step =
  | { at: 'choose' }
  | { at: 'code'; code: string; until: number }
  | { at: 'over' }
  | { at: 'joined'; name: string }

const LOOK_MS = 700

/** Shows a code, waits for the one device that uses it, and takes the code back when it is closed. */
export function AddDevice({ onClose }: { onClose: () => void }) {
  const [step, setStep] = useState<Step>({ at: 'choose' })
  const [member, setMember] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)

  const show = () => {
    setBusy(true)
    setError(null)
    api
      .pair(member)
      .then(({ code, seconds }) => setStep({ at: 'code', code, until: Date.now() + seconds * 1_000 }), setError)
      .finally(() => setBusy(false))
  }
  const isWaiting = step.at === 'code'
  const close = () => {
    if (isWaiting) void api.unpair().catch(() => {})
    onClose()
  }

  useEffect(() => {
    if (!isWaiting) return
    const controller = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = () => {
      api.pairing(controller.signal).then(
        ({ open, joined }) => {
          setError(null)
          if (open) timer = setTimeout(look, LOOK_MS)
          else if (joined) {
            devices.refresh()
            setStep({ at: 'joined', name: joined.name })
          } else setStep({ at: 'over' })
        },
        (cause: unknown) => {
          if (controller.signal.aborted) return
          setError(cause)
          timer = setTimeout(look, LOOK_MS)
        },
      )
    }
    look()
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [isWaiting])

  return (
    <Dialog title="Add a device" className="add-device" onClose={close}>
      {step.at === 'choose' && (
        <>
          <p>A code will appear here. Whoever has it within two minutes becomes one of your devices and gets all of your pod.</p>
          <label className="switch">
            <input type="checkbox" role="switch" checked={!member} onChange={(event) => setMember(!event.target.checked)} />
            <span>It may add and remove devices itself</span>
          </label>
          <div className="actions">
            <button type="button" className="button primary" disabled={busy} onClick={show}>
              Show the code
            </button>
          </div>
        </>
      )}
      {step.at === 'code' && <Code code={step.code} until={step.until} />}
      {step.at === 'over' && (
        <>
          <p role="status">The code is no longer good: its two minutes are over, or it was mistyped too often. Nobody has joined by it.</p>
          <div className="actions">
            <button type="button" className="button primary" disabled={busy} onClick={show}>
              Make a new code
            </button>
          </div>
        </>
      )}
      {step.at === 'joined' && (
        <>
          <p className="joined" role="status">
            <Icon name="check" size={22} />
            <span>
              <b>{step.name}</b> is one of your devices now.
            </span>
          </p>
          <p className="quiet">It is fetching what your pod holds. With a peer that is always on, your devices need not be on at the same time.</p>
          <div className="actions">
            <button type="button" className="button primary" onClick={onClose}>
              Done
            </button>
          </div>
        </>
      )}
      {error !== null && <ErrorNote error={error} />}
    </Dialog>
  )
}

function Code({ code, until }: { code: string; until: number }) {
  const left = useSecondsUntil(until)
  const command = `rhizome join ${code}`
  return (
    <>
      {/* In capitals the picture is smaller, and the code is the same. */}
      <QrCode text={code.toUpperCase()} label="The code as a QR code" />
      <p className="countdown">
        Waiting for the new device{' '}
        <span role="timer" aria-label="Time left">
          {clock(left)}
        </span>
      </p>
      <p>Without a camera, run this on the new device:</p>
      <div className="copyable">
        <code>{command}</code>
        <CopyButton text={command} label="Copy the command" />
      </div>
      <details className="code-alone">
        <summary>The code alone</summary>
        <div className="copyable">
          <code translate="no">{code}</code>
          <CopyButton text={code} label="Copy the code" />
        </div>
      </details>
      <p className="quiet">Show it to nobody else. Closing this takes the code back.</p>
    </>
  )
}

function useSecondsUntil(until: number): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250)
    return () => clearInterval(timer)
  }, [])
  return (until - now) / 1_000
}
