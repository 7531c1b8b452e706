import { type FormEvent, useEffect, useState } from 'react'
import { api } from '../../api/http'
import type { TimelinePost } from '../../api/types'
import { count } from '../../data/exchange'
import { NEWS, pasted, people, type Person } from '../../data/following'
import { following, posts, useFollowing, usePosts } from '../../data/polled'
import { predicateWords } from '../../data/predicate'
import { useFollowedRows } from '../../data/rows'
import { useStatus } from '../../data/status'
import { Dialog } from '../../parts/dialog'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Text } from '../../parts/text'
import { Time } from '../../parts/time'
import { shortDid, Who } from '../../parts/who'

/** Whom this person follows, and what they posted last. */
export function FollowingPage() {
  const status = useStatus()
  const { value, error } = useFollowing()
  const all = value ? people(value.following) : []
  return (
    <div className="page devices sharing following">
      <div className="page-head">
        <h1>Following</h1>
        <p className="quiet">What others make public comes here by itself, by the peers that keep it. Nobody has to let you in, and those whom you follow are not told.</p>
      </div>
      <section aria-labelledby="people">
        <div className="section-head">
          <h2 id="people">You follow {all.length > 0 && <span className="count">{all.length}</span>}</h2>
        </div>
        {error !== null && !value && <ErrorNote error={error} />}
        {!value && error === null && <Loading what="Reading" />}
        {value && all.length === 0 && <p className="quiet">Nobody yet. To follow somebody you need their DID, and a peer that keeps their pod.</p>}
        {all.length > 0 && (
          <ul className="cards">
            {all.map((person) => (
              <PersonRow key={person.of} person={person} />
            ))}
          </ul>
        )}
        <Follow />
      </section>
      <Posts own={status?.did ?? null} />
    </div>
  )
}

function PersonRow({ person }: { person: Person }) {
  const [leaving, setLeaving] = useState(false)
  return (
    <li className="card" data-followed={person.of}>
      <Icon name="public" size={22} />
      <div className="card-body">
        <h3>
          <Who did={person.of} />
        </h3>
        <p className="card-facts">
          {person.views.map((view) => (
            <span key={view.view} title={view.where}>
              {predicateWords(view.where)}
            </span>
          ))}
        </p>
        <p className="card-facts">
          <span>{count(person.entities, 'entity', 'entities')} here</span>
          {person.newest_ms !== null && (
            <span>
              the newest <Time at={person.newest_ms} />
            </span>
          )}
          {person.ended && <span>taken back: nothing more comes</span>}
          {person.missing > 0 && (
            <span className="state busy">
              <span className="dot" aria-hidden="true" />
              {count(person.missing, 'commit')} on the way, or withheld
            </span>
          )}
        </p>
      </div>
      <div className="card-actions">
        <button type="button" className="quiet-button" onClick={() => setLeaving(true)}>
          <Icon name="close" size={16} />
          Unfollow<span className="visually-hidden"> {shortDid(person.of)}</span>
        </button>
      </div>
      {leaving && <Unfollow person={person} onClose={() => setLeaving(false)} />}
    </li>
  )
}

function Unfollow({ person, onClose }: { person: Person; onClose: () => void }) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const leave = () => {
    setBusy(true)
    setError(null)
    api
      .unfollow(person.of)
      .then(() => {
        following.refresh()
        posts.refresh()
        onClose()
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <Dialog title="Unfollow?" onClose={onClose}>
      <p>
        <Who did={person.of} />
      </p>
      <ul className="means">
        <li>What is here of it goes from all your devices; files that came with it stay.</li>
        <li>They are told nothing, and you may follow them again.</li>
      </ul>
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="button" className="button danger" disabled={busy} onClick={leave}>
          Unfollow
        </button>
        <button type="button" className="button" onClick={onClose}>
          Keep following
        </button>
      </div>
    </Dialog>
  )
}

function Follow() {
  const [did, setDid] = useState('')
  const [at, setAt] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const [done, setDone] = useState<string | null>(null)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    setDone(null)
    api
      .follow(pasted(did), pasted(at) || undefined)
      .then((answer) => {
        const entities = answer.following.reduce((sum, each) => sum + each.entities, 0)
        setDone(`You follow them: ${count(entities, 'entity', 'entities')} came.`)
        setDid('')
        setAt('')
        following.refresh()
        posts.refresh()
      }, setError)
      .finally(() => setBusy(false))
  }
  const field = { spellCheck: false, autoComplete: 'off', autoCapitalize: 'none', className: 'mono' } as const
  return (
    <form className="add-peer follow" aria-label="Follow somebody" onSubmit={submit}>
      <label htmlFor="whom">Their DID</label>
      <input id="whom" placeholder="did:rhizome:…" value={did} required {...field} onChange={(event) => setDid(event.target.value)} />
      <label htmlFor="place">A peer that keeps their pod, if it is none of yours</label>
      <div className="path-row">
        <input id="place" placeholder="rhizome:1:…" value={at} {...field} onChange={(event) => setAt(event.target.value)} />
        <button type="submit" className="button" disabled={busy || pasted(did) === ''}>
          {busy ? 'Looking…' : 'Follow'}
        </button>
      </div>
      <p role="status" className="quiet">
        {done}
      </p>
      {error !== null && <ErrorNote error={error} />}
    </form>
  )
}

/** The newest, kept up to date: a live query says when to ask again. */
function Posts({ own }: { own: string | null }) {
  const { value, error } = usePosts()
  const news = useFollowedRows(NEWS)
  useEffect(() => posts.refresh(), [news.rows])
  if (!value) return error === null ? <Loading what="Reading" /> : <ErrorNote error={error} />
  return (
    <section aria-labelledby="newest">
      <div className="section-head">
        <h2 id="newest">Newest</h2>
      </div>
      {value.posts.length === 0 && <p className="quiet">Nobody whom you follow has posted anything.</p>}
      <ol className="feed">
        {value.posts.map((post) => (
          <li key={post.entity}>
            <Article post={post} own={own} />
          </li>
        ))}
      </ol>
    </section>
  )
}

function Article({ post, own }: { post: TimelinePost; own: string | null }) {
  const more = post.replies - post.comments.length
  return (
    <article className="public-post" data-public-post={post.entity}>
      <header>
        <b>{post.of === own ? 'You' : (post.name ?? shortDid(post.of))}</b>
        {post.name !== null && post.of !== own && <code title={post.of}>{shortDid(post.of)}</code>}
        <Time at={post.at_ms} />
        {post.url !== null && /^https?:/.test(post.url) && (
          <a href={post.url} target="_blank" rel="noopener noreferrer nofollow">
            on the web
          </a>
        )}
      </header>
      {post.summary === null ? (
        <p className="public-text">
          <Text text={post.text} />
        </p>
      ) : (
        <details>
          <summary>{post.summary}</summary>
          <p className="public-text">
            <Text text={post.text} />
          </p>
        </details>
      )}
      {post.comments.length > 0 && (
        <ol className="comments" aria-label={count(post.replies, 'comment')}>
          {post.comments.map((comment) => (
            <li key={comment.entity}>
              <Article post={comment} own={own} />
            </li>
          ))}
          {more > 0 && <li className="quiet">and {count(more, 'more comment')}</li>}
        </ol>
      )}
    </article>
  )
}
