import type { EntityId } from '../api/types'
import { useEntity } from '../data/entities'
import { bytes } from '../data/exchange'
import { readAttached } from '../data/library'
import { useBlobUrl } from '../data/status'
import { Icon } from './icon'

/** Files of a note, a mail or a message: pictures, films and sounds in place, others to be saved. */
export function AttachedFiles({ ids }: { ids: readonly EntityId[] }) {
  if (ids.length === 0) return null
  return (
    <ul className="attached" aria-label="Files">
      {ids.map((id) => (
        <li key={id}>
          <AttachedFile id={id} />
        </li>
      ))}
    </ul>
  )
}

function AttachedFile({ id }: { id: EntityId }) {
  const known = useEntity(id)
  const file = known?.state ? readAttached(known.state) : null
  const [kind = ''] = file?.mime.split('/') ?? []
  const still = kind === 'image' && file?.mime !== 'image/gif'
  const whole = useBlobUrl(file?.blob ?? null)
  const small = useBlobUrl(file?.blob ?? null, still ? 1280 : undefined)
  if (!file) return <span className="quiet">{known ? 'A file that is not here any more' : 'Reading'}</span>
  const name = file.name ?? (kind === 'image' ? 'Picture' : 'File')
  if (!whole || !small) return <span className="quiet">{name}: the export did not hold this file</span>
  if (kind === 'image') {
    return (
      <a href={whole} target="_blank" rel="noopener">
        <img src={small} alt={file.alt ?? name} loading="lazy" />
      </a>
    )
  }
  if (kind === 'video') return <video src={whole} controls preload="metadata" aria-label={file.alt ?? name} />
  if (kind === 'audio') return <audio src={whole} controls preload="metadata" aria-label={file.alt ?? name} />
  return (
    <a href={whole} download={file.name ?? ''} className="attached-file">
      <Icon name="file" size={18} /> <span>{name}</span> {file.bytes !== null && <span className="quiet">{bytes(file.bytes)}</span>}
    </a>
  )
}
