import { useEffect, useState } from 'react'
import { api } from '../../api/http'
import type { Comparison } from '../../api/types'
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
  | { at: 'refused' }
  | { at: 'joined'; name: string }

const LOOK_MS = 700

/** Shows a code, waits for the one device that uses it, and takes the code back when it is closed. */
export function AddDevice({ onClose }: { onClose: () => void }) {
  const [step, setStep] = useState<Step>({ at: 'choose' })
  const [member, setMember] = useState(false)
  const [compare, setCompare] = useState(false)
  const [comparison, setComparison] = useState<Comparison | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)

  const show = (comparing: boolean) => {
    setBusy(true)
    setError(null)
    setCompare(comparing)
    setComparison(null)
    api
      .pair(member, comparing)
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
    let asked: number | undefined
    const look = () => {
      api.pairing(controller.signal).then(
        ({ open, comparison: now, refused, joined }) => {
          setError(null)
          // No other pictures come under the pointer: what is said is about the first.
          const isLost = open && asked !== undefined && now?.id !== asked
          if (refused || isLost) {
            // Nobody else is to try with this code.
            void api.unpair().catch(() => {})
            setStep({ at: refused ? 'refused' : 'over' })
          } else if (open) {
            if (now && asked === undefined) {
              asked = now.id
              setComparison(now)
            }
            timer = setTimeout(look, LOOK_MS)
          } else if (joined) {
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
            <button type="button" className="button primary" disabled={busy} onClick={() => show(false)}>
              Show the code
            </button>
            <button type="button" className="button" disabled={busy} onClick={() => show(true)}>
              Without a camera
            </button>
          </div>
          <p className="quiet">Without a camera, the code is no secret: you compare seven pictures on both devices instead.</p>
        </>
      )}
      {step.at === 'code' && !compare && <Code code={step.code} until={step.until} />}
      {step.at === 'code' && compare && (
        <>
          {!comparison && <OpenCode code={step.code} />}
          <div aria-live="polite">{comparison && <Compare key={comparison.id} comparison={comparison} onError={setError} />}</div>
          <Countdown until={step.until}>{comparison ? 'Time to compare' : 'Waiting for the new device'}</Countdown>
        </>
      )}
      {step.at === 'over' && (
        <>
          <p role="status">
            {compare
              ? 'Nobody has joined: the two minutes are over, or the new device hung up. The code is no longer good.'
              : 'The code is no longer good: its two minutes are over, or it was mistyped too often. Nobody has joined by it.'}
          </p>
          <div className="actions">
            <button type="button" className="button primary" disabled={busy} onClick={() => show(compare)}>
              Make a new code
            </button>
          </div>
        </>
      )}
      {step.at === 'refused' && (
        <>
          <p role="status">
            The pictures were said not to match, here or on the new device. Nobody has joined. If they differ again with a new code, somebody is in
            between: use a code with a camera, or another network.
          </p>
          <div className="actions">
            <button type="button" className="button primary" disabled={busy} onClick={() => show(true)}>
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

/** What to run on the new device. */
function JoinCommand({ code }: { code: string }) {
  const command = `rhizome join ${code}`
  return (
    <>
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
    </>
  )
}

function Code({ code, until }: { code: string; until: number }) {
  return (
    <>
      {/* In capitals the picture is smaller, and the code is the same. */}
      <QrCode text={code.toUpperCase()} label="The code as a QR code" />
      <Countdown until={until}>Waiting for the new device</Countdown>
      <p>Or run this on the new device:</p>
      <JoinCommand code={code} />
      <p className="quiet">Show it to nobody else. Closing this takes the code back.</p>
    </>
  )
}

/** A code that is no secret. */
function OpenCode({ code }: { code: string }) {
  return (
    <>
      <p>Run this on the new device. You may send it over any chat or mail, or read it aloud:</p>
      <JoinCommand code={code} />
      <p className="quiet">Then both devices show seven pictures. Closing this takes the code back.</p>
    </>
  )
}

/** What both devices show, and the question whether it is the same. */
function Compare({ comparison, onError }: { comparison: Comparison; onError: (error: unknown) => void }) {
  const [said, setSaid] = useState<boolean | null>(null)
  const say = (same: boolean) => {
    setSaid(same)
    onError(null)
    api.confirmPairing(comparison.id, same).catch((cause: unknown) => {
      setSaid(null)
      onError(cause)
    })
  }
  return (
    <>
      <p>
        <b>{comparison.name}</b> wants to become one of your devices. Does it show the same, in the same order?
      </p>
      <ol className="pictures" aria-label="The seven pictures">
        {comparison.emoji.map(({ symbol, name }, place) => (
          // The same picture may come twice.
          <li key={place}>
            <span className="symbol" aria-hidden="true">
              {symbol}
            </span>
            {name}
          </li>
        ))}
      </ol>
      {said === true ? (
        <p role="status">Say yes on the new device too.</p>
      ) : (
        <div className="actions">
          <button type="button" className="button primary" disabled={said !== null} onClick={() => say(true)}>
            They match
          </button>
          <button type="button" className="button danger" disabled={said !== null} onClick={() => say(false)}>
            They do not match
          </button>
        </div>
      )}
    </>
  )
}

function Countdown({ until, children }: { until: number; children: string }) {
  const left = useSecondsUntil(until)
  return (
    <p className="countdown">
      {children}{' '}
      <span role="timer" aria-label="Time left">
        {clock(left)}
      </span>
    </p>
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
