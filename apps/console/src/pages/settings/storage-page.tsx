import { useEffect, useState } from 'react'
import { api } from '../../api/http'
import type { Room, Storage } from '../../api/types'
import { bytes, count } from '../../data/exchange'
import { useStatus } from '../../data/status'
import { monthName } from '../../data/time'
import { kindWords } from '../../data/words'
import { Chart, Shares } from '../../parts/chart'
import { ErrorNote, Loading } from '../../parts/note'

/** What takes how much room. */
export function StoragePage() {
  const commits = useStatus()?.commits
  const [found, setFound] = useState<Storage | null>(null)
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    const controller = new AbortController()
    api.storage(controller.signal).then(setFound, (cause: unknown) => {
      if (!controller.signal.aborted) setError(cause)
    })
    return () => controller.abort()
  }, [commits])
  return (
    <div className="page storage">
      <div className="page-head">
        <h1>Storage</h1>
        <p className="quiet">What your pod holds, and how much room it takes on this device.</p>
      </div>
      {error !== null && !found && <ErrorNote error={error} />}
      {!found && error === null && <Loading what="Counting" />}
      {found && <Figures found={found} />}
      {found && <Limit room={found.room} changed={(room) => setFound({ ...found, room })} />}
    </div>
  )
}

/** A kind as people say it; one that nobody knows by what it calls itself. */
function kindLabel(kind: string | null, schema: string | null): string {
  if (kind === null) return 'Other things'
  const words = kindWords(kind, 2)
  return words !== kind ? words.charAt(0).toLocaleUpperCase() + words.slice(1) : `${kind}${schema ? ` (${schema})` : ''}`
}

function Figures({ found }: { found: Storage }) {
  const { disk, files } = found
  return (
    <>
      <dl className="big-figures">
        <Big name="On disk" value={bytes(disk.total)} note={`${bytes(disk.tuples)} tuples and their indexes, ${bytes(disk.files)} files`} />
        <Big name="Tuples" value={found.tuples.toLocaleString()} note={count(found.commits, 'commit')} />
        <Big name="Files" value={files.count.toLocaleString()} note={bytes(files.bytes)} />
      </dl>
      <section aria-labelledby="storage-kinds">
        <h2 id="storage-kinds">By kind</h2>
        <Shares
          name="By kind"
          rows={found.kinds.map((each) => ({
            label: kindLabel(each.kind, each.schema),
            value: each.bytes + each.file_bytes,
            words: bytes(each.bytes + each.file_bytes),
            note: `${each.entities.toLocaleString()} of them, ${count(each.tuples, 'tuple')}${each.files > 0 ? `, ${count(each.files, 'file')}` : ''}`,
          }))}
        />
      </section>
      <section aria-labelledby="storage-apps">
        <h2 id="storage-apps">By what wrote it</h2>
        <Shares
          name="By what wrote it"
          rows={found.apps.map((each) => ({
            label: each.app ?? 'another device',
            value: each.bytes,
            words: bytes(each.bytes),
            note: `${count(each.tuples, 'tuple')} in ${count(each.commits, 'commit')}`,
          }))}
        />
      </section>
      {files.types.length > 0 && (
        <section aria-labelledby="storage-files">
          <h2 id="storage-files">Files by type</h2>
          <Shares
            name="Files by type"
            rows={[
              ...files.types.map((each) => ({ label: each.type ?? 'unknown type', value: each.bytes, words: bytes(each.bytes), note: count(each.count, 'file') })),
              ...(files.unnamed.count > 0
                ? [{ label: 'named by nothing', value: files.unnamed.bytes, words: bytes(files.unnamed.bytes), note: count(files.unnamed.count, 'file') }]
                : []),
            ]}
          />
        </section>
      )}
      <section aria-labelledby="storage-months">
        <h2 id="storage-months">Over time</h2>
        <p className="quiet">Bytes of what counts today, by the month in which it was written into the pod.</p>
        <Chart
          name="Bytes by month"
          kind="bar"
          axis="Month"
          points={found.months.map((each) => ({ label: monthName(each.month), value: each.bytes }))}
          format={bytes}
        />
      </section>
    </>
  )
}

const GIB = 2 ** 30

/** How much files may take, and changing that. */
function Limit({ room, changed }: { room: Room; changed: (room: Room) => void }) {
  const [wish, setWish] = useState(room.limit === null ? '' : String(room.limit / GIB))
  const [error, setError] = useState<unknown>(null)
  const set = (limit: number | null) => {
    setError(null)
    api.limitFiles(limit).then(changed, setError)
  }
  const wanted = Math.round(Number(wish) * GIB)
  const free = room.free === null ? '' : ` ${bytes(room.free)} are free on the disk; files leave ${bytes(room.spared)} of it free.`
  return (
    <section aria-labelledby="storage-room">
      <h2 id="storage-room">Room for files</h2>
      <p role="status">
        {room.limit === null ? 'Files may take as much room as there is.' : `Files take ${bytes(room.used ?? 0)} of the ${bytes(room.limit)} that they may.`}
        {free}
      </p>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault()
          set(wanted)
        }}
      >
        <label>
          At most, in GiB <input type="number" min="0" step="any" required value={wish} onChange={(event) => setWish(event.target.value)} />
        </label>
        <button type="submit" disabled={wish === '' || !Number.isSafeInteger(wanted)}>
          Limit
        </button>
        <button type="button" disabled={room.limit === null} onClick={() => set(null)}>
          No limit
        </button>
      </form>
      <p className="quiet">What is here stays. What does not fit is not fetched, and an import that meets the limit stops; it goes on when it is run again.</p>
      {error !== null && <ErrorNote error={error} />}
    </section>
  )
}

function Big({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <b>{value}</b>
        <span className="quiet">{note}</span>
      </dd>
    </div>
  )
}
