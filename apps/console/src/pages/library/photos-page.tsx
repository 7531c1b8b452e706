import { useMemo, useState } from 'react'
import { ApiError } from '../../api/http'
import type { EntityId } from '../../api/types'
import { useEntity } from '../../data/entities'
import { readAttached } from '../../data/library'
import { useRows } from '../../data/rows'
import { useBlobUrl } from '../../data/status'
import { exact, monthName } from '../../data/time'
import { ErrorNote, Loading } from '../../parts/note'
import { Lightbox } from '../timeline/lightbox'
import { Nothing } from './library-page'

const PAGE = 200

/** Pictures whose file is here, the newest first; those without a time come last. What was thrown away at its source is not shown. */
function newest(limit: number): string {
  return `[:find ?e ?at
 :where [?e "is-photo" true] [?e "social/blob" _] (not [?e "photo/trashed" true])
        [(get-else $ ?e "social/created" 0) ?at]
 :order [[?at :desc]] :limit ${limit}]`
}

interface Photo {
  id: EntityId
  at: number
}

/** Photographs, whatever they came from, by month. */
export function PhotosPage() {
  const [shown, setShown] = useState(PAGE)
  const [open, setOpen] = useState<number | null>(null)
  const { state, rows, error } = useRows(newest(shown + 1))
  const photos = useMemo(
    () => rows.slice(0, shown).map(({ cells: [id, at] }): Photo => ({ id: String(id), at: Number(at) })),
    [rows, shown],
  )
  const months = useMemo(() => byMonth(photos), [photos])
  const ids = useMemo(() => photos.map((photo) => photo.id), [photos])
  if (state === 'failed' && error) return <ErrorNote error={new ApiError(0, error)} />
  if (state === 'loading' && shown === PAGE) return <Loading what="Reading" />
  return (
    <div className="page library photos">
      <div className="page-head">
        <h1>Photos</h1>
      </div>
      {photos.length === 0 && state === 'ready' && (
        <Nothing kind={{ icon: 'public', bring: 'Google Photos gives them by Takeout; the archives of social networks hold those of your posts.' }} />
      )}
      {months.map(({ month, from, photos: some }) => (
        <section key={month} aria-label={month === '' ? 'Without a time' : monthName(month)}>
          <h2 className="month">{month === '' ? 'Without a time' : monthName(month)}</h2>
          <ul className="photo-grid">
            {some.map((photo, at) => (
              <li key={photo.id}>
                <Tile photo={photo} onOpen={() => setOpen(from + at)} />
              </li>
            ))}
          </ul>
        </section>
      ))}
      {rows.length > shown && (
        <button type="button" className="button more" onClick={() => setShown(shown + PAGE)}>
          Show more
        </button>
      )}
      {open !== null && <Lightbox ids={ids} start={open} onClose={() => setOpen(null)} />}
    </div>
  )
}

function Tile({ photo, onOpen }: { photo: Photo; onOpen: () => void }) {
  const known = useEntity(photo.id)
  const [broken, setBroken] = useState(false)
  const said = known?.state ? readAttached(known.state) : null
  const src = useBlobUrl(said?.blob ?? null, 320)
  const name = said?.alt ?? said?.name ?? (photo.at === 0 ? 'Picture' : `Picture of ${exact(photo.at)}`)
  return (
    <button type="button" onClick={onOpen}>
      {broken ? <span>{name}</span> : src && <img src={src} alt={name} loading="lazy" onError={() => setBroken(true)} />}
    </button>
  )
}

interface Month {
  /** `2024-03`; empty for those without a time. */
  month: string
  /** The place of its first photo among all. */
  from: number
  photos: Photo[]
}

export function byMonth(photos: readonly Photo[]): Month[] {
  const months: Month[] = []
  for (const [from, photo] of photos.entries()) {
    const at = new Date(photo.at)
    const month = photo.at === 0 ? '' : `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, '0')}`
    const last = months.at(-1)
    if (last?.month === month) last.photos.push(photo)
    else months.push({ month, from, photos: [photo] })
  }
  return months
}
