import { useEffect, useRef, useState } from 'react'
import { ApiError } from '../../api/http'
import { type Piece, years } from '../../data/months'
import { usePreferences } from '../../data/preferences'
import { useStatus } from '../../data/status'
import { monthName } from '../../data/time'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Link, navigate } from '../../router'
import { JumpList, JumpSelect } from './jump-list'
import { PieceView } from './piece'
import { ProfileHeader } from './profile-header'
import { type Show, SHOWS, useAuthors, useTimeline } from './use-timeline'

const LABELS: Record<Show, string> = { all: 'Everything', post: 'Posts', reply: 'Replies', boost: 'Boosts', media: 'Media' }

export function TimelinePage({ search }: { search: URLSearchParams }) {
  const wanted = search.get('show')
  const show = SHOWS.find((each) => each === wanted) ?? 'all'
  const authors = useAuthors()
  const chosen = search.get('of')
  const only = chosen && authors.some((each) => each.id === chosen) ? chosen : null
  const timeline = useTimeline(only, show)

  const go = (change: { show?: Show; of?: string | null }) => {
    const next = new URLSearchParams()
    const toShow = change.show ?? show
    const toAuthor = change.of === undefined ? only : change.of
    if (toShow !== 'all') next.set('show', toShow)
    if (toAuthor) next.set('of', toAuthor)
    const query = next.toString()
    navigate(query ? `/?${query}` : '/', 'replace')
  }

  if (timeline.state === 'loading') return <Loading what="Reading your timeline" />
  if (timeline.state === 'failed' && timeline.error) {
    return (
      <div className="page narrow">
        <ErrorNote error={new ApiError(0, timeline.error)} />
      </div>
    )
  }
  if (timeline.counts.all === 0) return <Empty />

  const perYear = years(timeline.pieces)
  const head = only ?? authors[0]?.id ?? null
  return (
    <div className="timeline-page">
      <h1 className="visually-hidden">Timeline</h1>
      <div className="timeline-column">
        <ProfileHeader id={head} others={authors.filter((each) => each.id !== head)} chosen={only} onChoose={(of) => go({ of })} />
        <div className="filters">
          <div className="tabs" role="group" aria-label="Show">
            {SHOWS.map((each) => (
              <button key={each} type="button" aria-pressed={each === show} onClick={() => go({ show: each })}>
                {LABELS[each]} <span className="count">{timeline.counts[each].toLocaleString()}</span>
              </button>
            ))}
          </div>
          <JumpSelect years={perYear} />
        </div>
        <NewPosts fresh={timeline.fresh} />
        {timeline.pieces.length === 0 ? (
          <p className="quiet nothing-of-kind">Nothing of this kind here.</p>
        ) : (
          <Pieces pieces={timeline.pieces} fresh={timeline.fresh} />
        )}
        {timeline.pieces.length > 0 && (
          <p className="the-end quiet">
            <Icon name="check" size={15} /> That is everything, back to {monthName(timeline.pieces.at(-1)?.month ?? '1970-01')}.
          </p>
        )}
      </div>
      <aside className="rail">
        <JumpList years={perYear} />
      </aside>
    </div>
  )
}

function Pieces({ pieces, fresh }: { pieces: Piece[]; fresh: ReadonlySet<string> }) {
  return pieces.map((piece, at) => (
    <PieceView key={piece.key} piece={piece} fresh={fresh} startsNear={at < 2} />
  ))
}

/** Says that posts arrived, and leads to them when the reader is further down. */
function NewPosts({ fresh }: { fresh: ReadonlySet<string> }) {
  const [seen, setSeen] = useState(0)
  const [away, setAway] = useState(false)
  const size = useRef(fresh.size)
  size.current = fresh.size
  useEffect(() => {
    const look = () => {
      const isAway = window.scrollY > 500
      setAway(isAway)
      if (!isAway) setSeen(size.current)
    }
    look()
    window.addEventListener('scroll', look, { passive: true })
    return () => window.removeEventListener('scroll', look)
  }, [fresh])
  const count = fresh.size - seen
  const words = `${count} new ${count === 1 ? 'post' : 'posts'}`
  return (
    <>
      <div className="visually-hidden" role="status">
        {fresh.size > 0 ? `${fresh.size} new ${fresh.size === 1 ? 'post' : 'posts'} since the page was opened` : ''}
      </div>
      {away && count > 0 && (
        <button type="button" className="new-posts" onClick={() => window.scrollTo({ top: 0, behavior: 'smooth' })}>
          <Icon name="up" size={16} /> {words}
        </button>
      )}
    </>
  )
}

function Empty() {
  const status = useStatus()
  const { welcomed } = usePreferences()
  const isNew = status !== null && !status.recovery.confirmed && welcomed !== status.did
  useEffect(() => {
    if (isNew) navigate('/welcome', 'replace')
  }, [isNew])
  if (!status || isNew) return <Loading what="Reading your timeline" />
  return (
    <div className="page narrow empty">
      <img src="/empty.svg" alt="" width="220" height="150" />
      <h1>Your pod is ready, and empty</h1>
      <p>
        Bring what you have written and photographed elsewhere. You see what is in an export before anything is kept, and nothing leaves
        this machine.
      </p>
      <Link to="/import" className="button primary">
        <Icon name="import" /> Import an export
      </Link>
    </div>
  )
}
