import { type FormEvent, useEffect, useState } from 'react'
import { api } from '../../api/http'
import { bytes, count } from '../../data/exchange'
import { backups, useBackups } from '../../data/polled'
import { toast } from '../../data/toasts'
import { ErrorNote } from '../../parts/note'
import { Time } from '../../parts/time'

const EVERY: [hours: number, words: string][] = [
  [0, 'Only when asked for'],
  [1, 'Every hour'],
  [24, 'Every day'],
  [168, 'Every week'],
]

/** A folder that only the recovery words open. */
export function Backup() {
  const { value, error } = useBackups()
  useEffect(() => backups.refresh(), [])
  return (
    <section aria-labelledby="backup">
      <h2 id="backup">Backup</h2>
      <p className="quiet">A folder on another disk, encrypted: your 24 words open it, and nothing else does. Each time only what is new goes there.</p>
      {value && <Form key={value.directory ?? ''} directory={value.directory ?? ''} hours={value.hours ?? 0} running={value.running} />}
      {value?.report && value.last_ms && (
        <p>
          The last one <Time at={value.last_ms} />: {count(value.report.commits, 'commit')} and {count(value.report.files, 'file')}, {bytes(value.report.bytes)} in all,{' '}
          {bytes(value.report.sent)} of it new.{value.report.complete ? '' : ' Something was still missing: make it again.'}
        </p>
      )}
      {value?.error && <ErrorNote error={new Error(`The last attempt failed: ${value.error}`)} />}
      {error !== null && <ErrorNote error={error} />}
    </section>
  )
}

function Form(props: { directory: string; hours: number; running: boolean }) {
  const [directory, setDirectory] = useState(props.directory)
  const [hours, setHours] = useState(props.hours)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const working = busy || props.running
  const make = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    api
      .backup(directory.trim(), hours)
      .then(() => toast('The backup is made'), setError)
      .finally(() => {
        setBusy(false)
        backups.refresh()
      })
  }
  const forget = () => {
    api.forgetBackup().then(() => backups.refresh(), setError)
  }
  return (
    <form className="name-form" onSubmit={make}>
      <label>
        <span>Folder on this machine</span>
        <input value={directory} required autoComplete="off" spellCheck={false} placeholder="/media/disk/my-pod" onChange={(event) => setDirectory(event.target.value)} />
      </label>
      <label>
        <span>By itself</span>
        <select value={hours} onChange={(event) => setHours(Number(event.target.value))}>
          {EVERY.map(([each, words]) => (
            <option key={each} value={each}>
              {words}
            </option>
          ))}
          {EVERY.every(([each]) => each !== props.hours) && <option value={props.hours}>Every {props.hours} hours</option>}
        </select>
      </label>
      <button type="submit" className="button" disabled={working || directory.trim() === ''}>
        {working ? 'Working…' : 'Back up now'}
      </button>
      {props.directory !== '' && (
        <button type="button" className="button" disabled={working} onClick={forget}>
          Stop
        </button>
      )}
      {error !== null && <ErrorNote error={error} />}
    </form>
  )
}
