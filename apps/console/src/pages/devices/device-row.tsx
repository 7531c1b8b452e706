import { type FormEvent, useState } from 'react'
import { api } from '../../api/http'
import type { Device } from '../../api/types'
import { count } from '../../data/exchange'
import { devices } from '../../data/polled'
import { CopyButton } from '../../parts/copy'
import { Dialog } from '../../parts/dialog'
import { Icon } from '../../parts/icon'
import { ErrorNote } from '../../parts/note'
import { Time } from '../../parts/time'
import { shortId } from '../../parts/value'

export function DeviceRow({ device, mayRemove }: { device: Device; mayRemove: boolean }) {
  const [renaming, setRenaming] = useState(false)
  const [removing, setRemoving] = useState(false)
  const name = device.name ?? 'No name yet'
  return (
    <li className="card" data-device={device.key}>
      <Icon name="devices" size={22} />
      <div className="card-body">
        {renaming ? (
          <Rename device={device} onDone={() => setRenaming(false)} />
        ) : (
          <h3>
            {name}
            {device.this && <span className="tag-word">this one</span>}
          </h3>
        )}
        <p className="card-facts">
          <Seen device={device} />
          <span>{device.role === 'admin' ? 'may add and remove devices' : 'may not add or remove devices'}</span>
          <span className="key">
            <code title={device.key}>{shortId(device.key.replace(/^did:key:/, ''))}</code>
            <CopyButton text={device.key} label={`Copy the key of ${name}`} />
          </span>
        </p>
      </div>
      {!renaming && (
        <div className="card-actions">
          <button type="button" className="quiet-button" onClick={() => setRenaming(true)}>
            <Icon name="edit" size={16} />
            Rename<span className="visually-hidden"> {name}</span>
          </button>
          {mayRemove && (
            <button type="button" className="quiet-button" onClick={() => setRemoving(true)}>
              <Icon name="close" size={16} />
              Remove<span className="visually-hidden"> {name}</span>
            </button>
          )}
        </div>
      )}
      {removing && <Remove device={device} name={name} onClose={() => setRemoving(false)} />}
    </li>
  )
}

function Seen({ device }: { device: Device }) {
  if (device.this) return <span>you are looking at it</span>
  if (device.connected) {
    const waiting = device.pending ? `, ${count(device.pending, 'change')} on the way` : ''
    return <span>connected now{waiting}</span>
  }
  if (device.last_seen_ms === null) return <span>has written nothing yet</span>
  return (
    <span title="The newest thing it wrote that has arrived here, by its own clock">
      last seen <Time at={device.last_seen_ms} />
    </span>
  )
}

function Rename({ device, onDone }: { device: Device; onDone: () => void }) {
  const [name, setName] = useState(device.name ?? '')
  const [error, setError] = useState<unknown>(null)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    api.nameDevice(device.key, name.trim()).then(() => {
      devices.refresh()
      onDone()
    }, setError)
  }
  return (
    <form
      className="rename"
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onDone()
      }}
    >
      <input
        aria-label="Name of the device"
        value={name}
        maxLength={64}
        required
        autoFocus
        onFocus={(event) => event.currentTarget.select()}
        onChange={(event) => setName(event.target.value)}
      />
      <button type="submit" className="button primary small">
        Save
      </button>
      <button type="button" className="button small" onClick={onDone}>
        Cancel
      </button>
      {error !== null && <ErrorNote error={error} />}
    </form>
  )
}

function Remove({ device, name, onClose }: { device: Device; name: string; onClose: () => void }) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const remove = () => {
    setBusy(true)
    setError(null)
    api
      .removeDevice(device.key)
      .then(
        () => {
          devices.refresh()
          onClose()
        },
        setError,
      )
      .finally(() => setBusy(false))
  }
  return (
    <Dialog title={`Remove ${name}?`} onClose={onClose}>
      <p>Do this when it is lost or stolen, when you give it away, or when you no longer trust what runs on it.</p>
      <ul className="means">
        <li>What it wrote and has arrived here until now stays, and stays its own.</li>
        <li>Nothing else of it counts, on any device: neither what it writes from now on nor what it dates back.</li>
        <li>Everything from now on is encrypted anew, with a key that it does not get.</li>
        <li>What is on it now it can still read. Nobody can take that back from afar.</li>
      </ul>
      <p>This cannot be undone. The device can be added again as a new one.</p>
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="button" className="button danger" disabled={busy} onClick={remove}>
          Remove it
        </button>
        <button type="button" className="button" onClick={onClose}>
          Keep it
        </button>
      </div>
    </Dialog>
  )
}
