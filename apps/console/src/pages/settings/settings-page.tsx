import { type FormEvent, useEffect, useState } from 'react'
import { api } from '../../api/http'
import type { ExportFormat } from '../../api/types'
import { count } from '../../data/exchange'
import { devices, useDevices } from '../../data/polled'
import { type Preferences, setPreferences, usePreferences } from '../../data/preferences'
import { useRows } from '../../data/rows'
import { useStatus } from '../../data/status'
import { toast } from '../../data/toasts'
import { CopyButton } from '../../parts/copy'
import { ErrorNote } from '../../parts/note'
import { Time } from '../../parts/time'
import { EntityName } from '../../parts/value'
import { Link } from '../../router'
import { Recovery } from '../../shell/recovery-section'
import { importerWords } from '../../data/words'
import { Backup } from './backup'

/** What a person may decide about this pod and this page, and what there is to know of it. */
export function SettingsPage() {
  const status = useStatus()
  return (
    <div className="page settings">
      <div className="page-head">
        <h1>Settings</h1>
      </div>
      <DeviceName />
      <Display />
      <Recovery confirmed={status?.recovery.confirmed} />
      <ThisPod />
      <Runs />
      <Backup />
      <Leave />
    </div>
  )
}

function DeviceName() {
  const { value } = useDevices()
  const commits = useStatus()?.commits
  useEffect(() => devices.refresh(), [commits])
  const own = value?.devices.find((each) => each.this)
  return (
    <section aria-labelledby="device-name">
      <h2 id="device-name">This device</h2>
      {own && <NameForm key={own.name ?? ''} device={own.key} name={own.name ?? ''} label="Its name" onDone={() => toast('Saved')} />}
      <p className="quiet">Your other devices show it. Only they see it.</p>
    </section>
  )
}

/** Names a device. */
export function NameForm(props: { device: string; name: string; label: string; button?: string; onDone: () => void }) {
  const [name, setName] = useState(props.name)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    api
      .nameDevice(props.device, name.trim())
      .then(() => {
        devices.refresh()
        props.onDone()
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <form className="name-form" onSubmit={submit}>
      <label>
        <span>{props.label}</span>
        <input value={name} maxLength={60} autoComplete="off" placeholder="Laptop" required onChange={(event) => setName(event.target.value)} />
      </label>
      <button type="submit" className={props.button ? 'button primary' : 'button'} disabled={busy || name.trim() === ''}>
        {props.button ?? 'Save'}
      </button>
      {error !== null && <ErrorNote error={error} />}
    </form>
  )
}

const THEMES: [theme: Preferences['theme'], label: string][] = [
  ['system', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
]

function Display() {
  const { theme, uncovered } = usePreferences()
  return (
    <section aria-labelledby="display">
      <h2 id="display">Display</h2>
      <div className="segmented" role="group" aria-label="Colours">
        {THEMES.map(([each, label]) => (
          <button key={each} type="button" aria-pressed={theme === each} onClick={() => setPreferences({ theme: each })}>
            {label}
          </button>
        ))}
      </div>
      <p>
        <label className="switch">
          <input type="checkbox" role="switch" checked={uncovered} onChange={(event) => setPreferences({ uncovered: event.target.checked })} />
          <span>Show sensitive pictures and texts without asking</span>
        </label>
      </p>
    </section>
  )
}

function ThisPod() {
  const status = useStatus()
  if (!status) return null
  return (
    <section aria-labelledby="this-pod">
      <h2 id="this-pod">This pod</h2>
      <dl className="facts">
        <Fact name="Your DID" value={status.did} copy />
        <Fact name="Folder" value={status.home} copy />
        <Fact name="Version" value={status.version} />
      </dl>
      <p>
        <Link to="/storage">{count(status.tuples, 'tuple')} and {count(status.blobs.count, 'file')}: what takes how much room</Link>
      </p>
    </section>
  )
}

function Fact({ name, value, copy }: { name: string; value: string; copy?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <code>{value}</code> {copy && <CopyButton text={value} label={`Copy: ${name}`} />}
      </dd>
    </div>
  )
}

const RUNS = `[:find ?run ?started ?importer ?file
 :where [?run "import/type" "run"] [?run "import/started" ?started] [?run "import/importer" ?importer] [?run "import/file" ?file]
 :order [[?started :desc]] :limit 50]`

function Runs() {
  const { rows } = useRows(RUNS)
  return (
    <section aria-labelledby="runs">
      <h2 id="runs">Imports</h2>
      {rows.length === 0 && (
        <p className="quiet">
          Nothing was imported yet. <Link to="/import">Bring an export</Link>
        </p>
      )}
      <ul className="runs">
        {rows.map(({ key, cells: [run, started, importer, file] }) => (
          <li key={key}>
            <b>{importerWords(String(importer))}</b>
            <span>{String(file)}</span>
            <span className="quiet">
              <Time at={Number(started)} /> · <EntityName id={String(run)} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

const FORMATS: [format: ExportFormat, name: string, about: string][] = [
  ['zip', 'Zip', 'everything: JSON lines, and every file beside them'],
  ['car', 'CAR', 'everything, addressed by content'],
  ['jsonl', 'JSON lines', 'an entity on each line, without the files'],
  ['activitystreams', 'Posts', 'and profiles with their pictures, as archives of Mastodon are'],
  ['markdown', 'Notes', 'with articles and posts, as Markdown files for Obsidian, Hugo and others'],
  ['vcard', 'Contacts', 'as vCards, for any address book'],
  ['icalendar', 'Calendar', 'events, tasks and journals'],
]

/** The way out is always open. */
function Leave() {
  const [error, setError] = useState<unknown>(null)
  const save = async (format: ExportFormat) => {
    setError(null)
    try {
      const { url } = await api.exportAs(format)
      const link = document.createElement('a')
      link.href = url
      link.download = ''
      link.click()
    } catch (cause) {
      setError(cause)
    }
  }
  return (
    <section aria-labelledby="leave">
      <h2 id="leave">Take everything with you</h2>
      <p className="quiet">All that is in your pod as one file, at any time. An empty pod that imports it is equal to this one.</p>
      <ul className="formats">
        {FORMATS.map(([format, name, about]) => (
          <li key={format}>
            <button type="button" className="button" onClick={() => void save(format)}>
              {name}
            </button>
            <span className="quiet">{about}</span>
          </li>
        ))}
      </ul>
      {error !== null && <ErrorNote error={error} />}
    </section>
  )
}
