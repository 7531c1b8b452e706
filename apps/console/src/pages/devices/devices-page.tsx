import { useEffect, useState } from 'react'
import { devices as devicesPoll, useDevices, usePeers } from '../../data/polled'
import { useStatus } from '../../data/status'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Recovery } from '../../shell/recovery-section'
import { AddDevice } from './add-device'
import { DeviceRow } from './device-row'
import { Peers } from './peers'

/** Which devices hold this pod, which peers keep it, and whether it could be taken back if all were lost. */
export function DevicesPage() {
  const { value, error } = useDevices()
  const peers = usePeers()
  const status = useStatus()
  const [adding, setAdding] = useState(false)
  // Names are tuples: a commit may have changed one.
  const commits = status?.commits
  useEffect(() => devicesPoll.refresh(), [commits])
  return (
    <div className="page devices">
      <div className="page-head">
        <h1>Devices</h1>
        <p className="quiet">Every device of yours holds the whole pod and works without the others. What you write crosses encrypted.</p>
      </div>
      {error !== null && !value && <ErrorNote error={error} />}
      {!value && error === null && <Loading what="Reading" />}
      {value && (
        <section aria-labelledby="my-devices">
          <div className="section-head">
            <h2 id="my-devices">
              Your devices <span className="count">{value.devices.length}</span>
            </h2>
            {value.admin && (
              <button type="button" className="button primary small" onClick={() => setAdding(true)}>
                <Icon name="plus" size={16} />
                Add a device
              </button>
            )}
          </div>
          <ul className="cards">
            {value.devices.map((device) => (
              <DeviceRow key={device.key} device={device} mayRemove={value.admin && !device.this} />
            ))}
          </ul>
          {!value.admin && (
            <p className="quiet">
              This device may not add or remove others. Do that on{' '}
              {value.devices
                .filter((device) => device.role === 'admin')
                .map((device) => device.name ?? 'a device without a name')
                .join(' or ')}
              .
            </p>
          )}
        </section>
      )}
      <Peers known={peers} devices={value?.devices ?? []} />
      <Recovery confirmed={status?.recovery.confirmed} />
      {adding && <AddDevice onClose={() => setAdding(false)} />}
    </div>
  )
}
