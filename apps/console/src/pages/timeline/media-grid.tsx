import { useEffect, useRef, useState } from 'react'
import { decodeBlurhash } from '../../data/blurhash'
import { useEntity } from '../../data/entities'
import { usePreferences } from '../../data/preferences'
import { type Media, readMedia } from '../../data/social'
import { useBlobUrl } from '../../data/status'
import { Icon } from '../../parts/icon'
import { Lightbox } from './lightbox'

const SHOWN = 4

/** Up to four media of a post; a click opens all of them large. Sensitive ones wait under a cover. */
export function MediaGrid({ ids, sensitive }: { ids: string[]; sensitive: boolean }) {
  const { uncovered } = usePreferences()
  const [revealed, setRevealed] = useState(false)
  const [open, setOpen] = useState<number | null>(null)
  const covered = sensitive && !uncovered && !revealed
  const shown = ids.slice(0, SHOWN)
  return (
    <div className={`media n${shown.length} ${covered ? 'covered' : ''}`}>
      {shown.map((id, at) => (
        <Tile key={id} id={id} covered={covered} alone={ids.length === 1} more={at === SHOWN - 1 ? ids.length - SHOWN : 0} onOpen={() => setOpen(at)} />
      ))}
      {covered && (
        <button type="button" className="cover" onClick={() => setRevealed(true)}>
          <Icon name="hidden" size={22} />
          <span>
            <b>Sensitive</b>
            <span>Click to show</span>
          </span>
        </button>
      )}
      {open !== null && <Lightbox ids={ids} start={open} onClose={() => setOpen(null)} />}
    </div>
  )
}

interface TileProps {
  id: string
  covered: boolean
  alone: boolean
  more: number
  onOpen: () => void
}

function Tile({ id, covered, alone, more, onOpen }: TileProps) {
  const known = useEntity(id)
  const media = known?.state ? readMedia(id, known.state) : null
  // what moves would stand still in a smaller size
  const still = media?.mime.startsWith('image/') && media.mime !== 'image/gif'
  const src = useBlobUrl(covered ? null : (media?.blob ?? null), still ? (alone ? 1280 : 640) : undefined)
  const box = alone && media?.width && media.height ? { aspectRatio: `${media.width} / ${media.height}` } : undefined
  if (!media) return <div className="tile" style={box} aria-busy="true" />
  const isVideo = media.mime.startsWith('video/') || media.mime.startsWith('audio/')
  return (
    <div className={`tile ${alone ? 'alone' : ''} ${media.blob ? '' : 'gone'}`} style={media.blob ? box : undefined}>
      {media.blurhash && <Blur hash={media.blurhash} />}
      {src && !isVideo && media.mime.startsWith('image/') && <Picture media={media} src={src} more={more} onOpen={onOpen} />}
      {src && isVideo && <video className="clip" src={src} controls preload="metadata" aria-label={media.alt ?? 'Video without a description'} />}
      {!covered && (!media.blob || !/^(image|video|audio)\//.test(media.mime)) && <Missing media={media} src={src} />}
      {src && media.alt && !isVideo && (
        <span className="alt-badge" aria-hidden="true" title={media.alt}>
          ALT
        </span>
      )}
    </div>
  )
}

function Picture({ media, src, more, onOpen }: { media: Media; src: string; more: number; onOpen: () => void }) {
  const [broken, setBroken] = useState(false)
  const [loaded, setLoaded] = useState(false)
  if (broken) return <Missing media={media} src={src} />
  return (
    <button type="button" className="picture" data-action="open-media" onClick={onOpen} aria-label={more > 0 ? `${media.alt ?? 'Picture'}, and ${more} more` : undefined}>
      <img
        src={src}
        alt={media.alt ?? 'Picture without a description'}
        loading="lazy"
        decoding="async"
        style={media.focus ? { objectPosition: media.focus } : undefined}
        className={loaded ? 'loaded' : undefined}
        onLoad={() => setLoaded(true)}
        onError={() => setBroken(true)}
      />
      {more > 0 && (
        <span className="more-media" aria-hidden="true">
          +{more}
        </span>
      )}
    </button>
  )
}

/** The file was not in the export, or no browser shows its kind. */
function Missing({ media, src }: { media: Media; src: string | null }) {
  return (
    <div className="missing-media">
      {media.alt && <span className="missing-alt">{media.alt}</span>}
      <span className="missing-why">
        <Icon name="file" size={16} />
        {src ? (
          <a href={src} download>
            {media.mime}
          </a>
        ) : (
          `${media.mime}, not in the export`
        )}
      </span>
    </div>
  )
}

const BLUR = 32

function Blur({ hash }: { hash: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    const pixels = decodeBlurhash(hash, BLUR, BLUR)
    if (context && pixels) context.putImageData(new ImageData(pixels, BLUR, BLUR), 0, 0)
  }, [hash])
  return <canvas ref={canvas} className="blur" width={BLUR} height={BLUR} aria-hidden="true" />
}
