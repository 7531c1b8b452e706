import { memo, useEffect, useId, useRef, useState } from 'react'
import { useEntity } from '../../data/entities'
import { usePreferences } from '../../data/preferences'
import { type Post, readPost } from '../../data/social'
import { Avatar } from '../../parts/avatar'
import { Icon } from '../../parts/icon'
import { Text } from '../../parts/text'
import { Time } from '../../parts/time'
import { entityPath, Link } from '../../router'
import { AudienceBadge } from './audience'
import { MediaGrid } from './media-grid'
import { Poll } from './poll'
import { PostEditor } from './post-editor'
import { useProfile } from './profile-header'

export const PostView = memo(function PostView({ id, arrived }: { id: string; arrived: boolean }) {
  const known = useEntity(id)
  const article = useRef<HTMLElement>(null)
  useFlash(article, id, arrived, known?.revision)
  if (!known) return <article className="post waiting" aria-busy="true" />
  if (!known.state) return null
  return (
    <article ref={article} className="post" tabIndex={-1} data-post={id} aria-labelledby={`by-${id}`}>
      <PostBody post={readPost(id, known.state)} />
    </article>
  )
})

/** The revision of each post that has been on screen, so that scrolling back does not celebrate old news. */
const shownRevision = new Map<string, number>()

/** A subtle sign that this post has just come or changed. */
function useFlash(article: { current: HTMLElement | null }, id: string, arrived: boolean, revision: number | undefined): void {
  useEffect(() => {
    if (revision === undefined) return
    const before = shownRevision.get(id)
    shownRevision.set(id, revision)
    const isNews = before === undefined ? arrived : revision > before
    const element = article.current
    if (!isNews || !element) return
    element.classList.remove('flash')
    // Reading the layout lets the animation start anew.
    void element.offsetWidth
    element.classList.add('flash')
  }, [article, id, arrived, revision])
}

function PostBody({ post }: { post: Post }) {
  const [editing, setEditing] = useState(false)
  const author = useProfile(post.author)
  const editButton = useRef<HTMLButtonElement>(null)
  const stopEditing = () => {
    setEditing(false)
    requestAnimationFrame(() => editButton.current?.focus({ preventScroll: true }))
  }
  return (
    <>
      {post.kind !== 'post' && <KindLine post={post} />}
      <Avatar profile={author} size="small" />
      <header className="post-head">
        <span id={`by-${post.id}`} className="by">
          <b>{author?.name ?? 'Unknown'}</b> {author?.handle && <span className="handle">{author.handle}</span>}
        </span>
        <span className="when">
          {post.audience && <AudienceBadge audience={post.audience} />}
          {post.created !== null && (
            <Link to={entityPath(post.id)} className="quiet-link">
              <Time at={post.created} />
            </Link>
          )}
        </span>
      </header>
      <div className="post-content" lang={post.language ?? undefined} dir="auto">
        {editing ? <PostEditor post={post} onClose={stopEditing} /> : <Content post={post} />}
      </div>
      {!editing && (
        <footer className="post-actions">
          {post.kind !== 'boost' && (
            <button ref={editButton} type="button" className="quiet-button" data-action="edit" onClick={() => setEditing(true)}>
              <Icon name="edit" size={15} /> Edit
            </button>
          )}
          <Link to={entityPath(post.id)} className="quiet-button">
            <Icon name="data" size={15} /> Details
          </Link>
          {post.url && (
            <a href={post.url} target="_blank" rel="noopener noreferrer nofollow" className="quiet-button">
              <Icon name="open" size={15} /> Original
            </a>
          )}
        </footer>
      )}
    </>
  )
}

function KindLine({ post }: { post: Post }) {
  const boost = post.kind === 'boost'
  const target = boost ? post.boostOf : post.replyTo
  const url = boost ? post.boostOfUrl : post.replyToUrl
  const words = boost ? 'Boosted' : 'Reply'
  return (
    <p className="kind">
      <Icon name={boost ? 'boost' : 'reply'} size={14} />
      {target ? (
        <span>
          {words} {boost ? '' : 'to '}
          <Link to={entityPath(target)}>a post in this pod</Link>
        </span>
      ) : url && !boost ? (
        <span>
          {words} to{' '}
          <a href={url} target="_blank" rel="noopener noreferrer nofollow">
            {hostOf(url)}
          </a>
        </span>
      ) : (
        <span>{words}</span>
      )}
    </p>
  )
}

function Content({ post }: { post: Post }) {
  const { uncovered } = usePreferences()
  const [opened, setOpened] = useState(false)
  const body = useId()
  const covered = post.summary !== null && !uncovered && !opened
  return (
    <>
      {post.summary !== null && (
        <div className="content-warning">
          <Icon name="warning" size={16} />
          <p>{post.summary}</p>
          {!uncovered && (
            <button type="button" className="button small" aria-expanded={!covered} aria-controls={body} onClick={() => setOpened(!opened)}>
              {covered ? 'Show' : 'Hide'}
            </button>
          )}
        </div>
      )}
      <div id={body} hidden={covered}>
        {!covered && (
          <>
            {post.text && <PostText text={post.text} />}
            {post.poll.length > 0 && <Poll ids={post.poll} />}
            {post.kind === 'boost' && <Boosted post={post} />}
            {post.media.length > 0 && <MediaGrid ids={post.media} sensitive={post.sensitive && post.summary === null} />}
          </>
        )}
      </div>
    </>
  )
}

const LONG_LETTERS = 1_200
const LONG_LINES = 18

function PostText({ text }: { text: string }) {
  const long = text.length > LONG_LETTERS || text.split('\n').length > LONG_LINES
  const [unfolded, setUnfolded] = useState(false)
  return (
    <>
      <div className={long && !unfolded ? 'post-text folded' : 'post-text'}>
        <Text text={text} />
      </div>
      {long && (
        <button type="button" className="quiet-button" aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
          {unfolded ? 'Show less' : 'Show all'}
        </button>
      )}
    </>
  )
}

/** What was boosted: the post itself when the pod has it, else a link to where it is. */
function Boosted({ post }: { post: Post }) {
  const known = useEntity(post.boostOf)
  const original = post.boostOf && known?.state ? readPost(post.boostOf, known.state) : null
  const author = useProfile(original?.author ?? null)
  if (original && (original.text || original.media.length > 0)) {
    return (
      <div className="boosted">
        <p className="by">
          <Avatar profile={author} size="small" /> <b>{author?.name ?? 'Unknown'}</b>
        </p>
        {original.text && <PostText text={original.text} />}
        {original.media.length > 0 && <MediaGrid ids={original.media} sensitive={original.sensitive} />}
      </div>
    )
  }
  const url = post.boostOfUrl ?? original?.url
  if (!url) return null
  return (
    <a className="boosted link" href={url} target="_blank" rel="noopener noreferrer nofollow">
      <Icon name="open" size={16} />
      <span>
        A post on <b>{hostOf(url)}</b>
        <span className="quiet address">{url}</span>
      </span>
    </a>
  )
}

function hostOf(url: string): string {
  try {
    return new URL(url).host
  } catch {
    return url
  }
}
