import { useEffect, useState } from 'react'
import { ApiError, api } from '../../api/http'
import type { EntityId } from '../../api/types'
import { useEntity } from '../../data/entities'
import { type Mail, type Note, readContact, readMail, readNote } from '../../data/library'
import { useRows } from '../../data/rows'
import { useBlobUrl } from '../../data/status'
import { exact } from '../../data/time'
import { AttachedFiles } from '../../parts/attached'
import { Icon, type IconName } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Text } from '../../parts/text'
import { Time } from '../../parts/time'
import { entityPath, type LibraryPart, Link, navigate } from '../../router'
import { CalendarPage } from './calendar-page'
import { MessagesPage } from './messages-page'
import { PhotosPage } from './photos-page'

/** What was imported that is no timeline. */
export function LibraryPage({ part, search }: { part: LibraryPart | null; search: URLSearchParams }) {
  switch (part) {
    case null:
      return <First />
    case 'photos':
      return <PhotosPage />
    case 'messages':
      return <MessagesPage search={search} />
    case 'calendar':
      return <CalendarPage search={search} />
    case 'contacts':
      return <List key="contacts" part="contacts" search={search} />
    case 'notes':
      return <List key="notes" part="notes" search={search} />
    case 'mail':
      return <List key="mail" part="mail" search={search} />
  }
}

const SOME: [part: LibraryPart, q: string][] = [
  ['calendar', '[:find ?e :where [?e "calendar/type" "event"] :limit 1]'],
  ['photos', '[:find ?e :where [?e "is-photo" true] [?e "social/created" _] :limit 1]'],
  ['messages', '[:find ?e :where [?e "message/type" "conversation"] :limit 1]'],
  ['notes', '[:find ?e :where [?e "note/type" "note"] :limit 1]'],
  ['contacts', '[:find ?e :where [?e "contact/type" "contact"] :limit 1]'],
  ['mail', '[:find ?e :where [?e "mail/type" "mail"] :limit 1]'],
]

/** Leads to the first part that holds something. */
function First() {
  useEffect(() => {
    const controller = new AbortController()
    const first = async (): Promise<LibraryPart> => {
      for (const [part, q] of SOME) {
        const found = await api.query(q, [], controller.signal)
        if ('rows' in found && found.rows.length > 0) return part
      }
      return 'calendar'
    }
    first().then(
      (part) => navigate(`/library/${part}`, 'replace'),
      () => !controller.signal.aborted && navigate('/library/calendar', 'replace'),
    )
    return () => controller.abort()
  }, [])
  return <Loading what="Reading" />
}

interface Kind {
  title: string
  one: string
  icon: IconName
  /** Rows of an entity, what it is called, and something beside it; at most so many. */
  q: (limit: number) => string
  bring: string
}

const KINDS: Record<'contacts' | 'notes' | 'mail', Kind> = {
  contacts: {
    title: 'Contacts',
    one: 'Contact',
    icon: 'contacts',
    q: (limit) => `[:find ?e ?name :where [?e "contact/type" "contact"] [?e "contact/name" ?name] :order [[?name]] :limit ${limit}]`,
    bring: 'Address books come as vCard files (.vcf): phones, mail programs and online services export them.',
  },
  notes: {
    title: 'Notes',
    one: 'Note',
    icon: 'note',
    q: (limit) => `[:find ?e ?title :where [?e "note/type" "note"] [(get-else $ ?e "note/title" "Untitled") ?title] :order [[?title]] :limit ${limit}]`,
    bring: 'Exports of Evernote, Notion, Roam, Keep, and folders of Markdown become notes.',
  },
  mail: {
    title: 'Mail',
    one: 'Message',
    icon: 'mail',
    q: (limit) => `[:find ?e ?subject ?sent :where [?e "mail/type" "mail"] [?e "mail/sent" ?sent] [(get-else $ ?e "mail/subject" "No subject") ?subject] :order [[?sent :desc]] :limit ${limit}]`,
    bring: 'Mailboxes come as mbox files, as mail programs and Google Takeout write them.',
  },
}

const PAGE = 300
const UNTITLED = 'Untitled'
/** What the search looks through. */
const ALL = 50_000

function List({ part, search }: { part: keyof typeof KINDS; search: URLSearchParams }) {
  const kind = KINDS[part]
  const chosen = search.get('id')
  const [shown, setShown] = useState(PAGE)
  const [wanted, setWanted] = useState('')
  const { state, rows, error } = useRows(kind.q(wanted === '' ? shown + 1 : ALL))
  if (state === 'failed' && error) return <ErrorNote error={new ApiError(0, error)} />
  if (state === 'loading' && wanted === '' && shown === PAGE) return <Loading what="Reading" />
  const needle = wanted.trim().toLocaleLowerCase()
  const found = needle === '' ? rows : rows.filter((row) => String(row.cells[1]).toLocaleLowerCase().includes(needle))
  return (
    <div className={chosen ? 'page library chosen' : 'page library'}>
      <div className="page-head">
        <h1>{kind.title}</h1>
      </div>
      {rows.length === 0 && needle === '' && state === 'ready' ? (
        <Nothing kind={kind} />
      ) : (
        <div className="library-columns">
          <section className="library-list" aria-label={kind.title}>
            <input type="search" aria-label={`Filter ${part}`} placeholder="Filter" value={wanted} onChange={(event) => setWanted(event.target.value)} />
            <ul>
              {found.slice(0, shown).map(({ key, cells: [id, name, at] }) => (
                <li key={key}>
                  <Link to={`/library/${part}?id=${String(id)}`} aria-current={id === chosen ? 'true' : undefined}>
                    {name === UNTITLED ? <Untitled id={String(id)} /> : <span>{String(name)}</span>}
                    {typeof at === 'number' && (
                      <span className="quiet">
                        <Time at={at} />
                      </span>
                    )}
                  </Link>
                </li>
              ))}
            </ul>
            {found.length === 0 && <p className="quiet">Nothing of that name.</p>}
            {found.length > shown && (
              <button type="button" className="button more" onClick={() => setShown(shown + PAGE)}>
                Show more
              </button>
            )}
          </section>
          {chosen && (
            <section className="library-one" aria-label={kind.one}>
              <div className="library-bar">
                <button type="button" className="quiet-button" onClick={() => navigate(`/library/${part}`)}>
                  <Icon name="close" size={15} /> Close
                </button>
                <Link to={entityPath(chosen)} className="quiet-button">
                  <Icon name="data" size={15} /> Details
                </Link>
              </div>
              <One part={part} id={chosen} />
            </section>
          )}
        </div>
      )}
    </div>
  )
}

/** A note without a title by what it begins with. */
function Untitled({ id }: { id: EntityId }) {
  const known = useEntity(id)
  return <span>{known?.state ? readNote(id, known.state).title : UNTITLED}</span>
}

export function Nothing({ kind }: { kind: Pick<Kind, 'icon' | 'bring'> }) {
  return (
    <div className="empty">
      <Icon name={kind.icon} size={40} />
      <p>There are none yet. {kind.bring}</p>
      <Link to="/import" className="button primary">
        <Icon name="import" /> Import an export
      </Link>
    </div>
  )
}

function One({ part, id }: { part: keyof typeof KINDS; id: EntityId }) {
  const known = useEntity(id)
  if (!known) return <Loading what="Reading" />
  if (!known.state) return <p className="quiet">It is not here any more.</p>
  if (part === 'contacts') return <ContactCard contact={readContact(id, known.state)} />
  if (part === 'notes') return <NoteView note={readNote(id, known.state)} />
  return <MailView mail={readMail(id, known.state)} />
}

function ContactCard({ contact }: { contact: ReturnType<typeof readContact> }) {
  const photo = useBlobUrl(contact.photo)
  const lines: [label: string, values: string[]][] = [
    ['Email', contact.emails],
    ['Phone', contact.phones],
    ['Address', contact.addresses],
    ['Web', contact.urls],
    ['Birthday', contact.birthday ? [contact.birthday] : []],
    ['Filed under', contact.categories],
    ['More', contact.fields],
    ['Note', contact.note ? [contact.note] : []],
  ]
  return (
    <article className="contact-card">
      <header>
        {photo ? <img src={photo} alt="" /> : <span className="initial" aria-hidden="true">{contact.name.charAt(0).toLocaleUpperCase()}</span>}
        <div>
          <h2>{contact.name}</h2>
          {(contact.title ?? contact.org) && <p className="quiet">{[contact.title, contact.org].filter(Boolean).join(', ')}</p>}
        </div>
      </header>
      <dl className="facts">
        {lines
          .filter(([, values]) => values.length > 0)
          .map(([label, values]) => (
            <div key={label}>
              <dt>{label}</dt>
              {values.map((value, at) => (
                <dd key={at} className="value text">
                  <Text text={value} />
                </dd>
              ))}
            </div>
          ))}
      </dl>
    </article>
  )
}

function NoteView({ note }: { note: Note }) {
  return (
    <article>
      <h2>{note.title}</h2>
      <p className="quiet">
        {(note.updated ?? note.created) !== null && <Time at={note.updated ?? note.created ?? 0} />}
        {note.tags.map((tag) => ` #${tag}`)}
      </p>
      {note.text !== '' && (
        <p className="value text long-text">
          <Text text={note.text} />
        </p>
      )}
      {/* most programs' notes say their outline as text as well */}
      {note.text === '' && <Outline ids={note.children} depth={0} />}
      <AttachedFiles ids={note.files} />
    </article>
  )
}

/** Levels of an outline that are shown. */
const DEEPEST = 20

function Outline({ ids, depth }: { ids: readonly EntityId[]; depth: number }) {
  if (ids.length === 0 || depth > DEEPEST) return null
  return (
    <ul className="outline">
      {ids.map((id) => (
        <Line key={id} id={id} depth={depth} />
      ))}
    </ul>
  )
}

function Line({ id, depth }: { id: EntityId; depth: number }) {
  const known = useEntity(id)
  if (!known?.state) return null
  const note = readNote(id, known.state)
  if (known.state['note/type'] === 'note') {
    return (
      <li>
        <Link to={`/library/notes?id=${id}`}>{note.title}</Link>
      </li>
    )
  }
  return (
    <li>
      <span className="value text">
        <Text text={note.text} />
      </span>
      <Outline ids={note.children} depth={depth + 1} />
    </li>
  )
}

function MailView({ mail }: { mail: Mail }) {
  return (
    <article>
      <h2>{mail.subject}</h2>
      <p>
        {mail.from} <span className="quiet">to {mail.to.join(', ') || 'nobody'}</span>
      </p>
      {mail.sent !== null && <p className="quiet">{exact(mail.sent)}</p>}
      <p className="value text long-text">
        <Text text={mail.text} />
      </p>
      {mail.attachments.length > 0 && (
        <>
          <h3>Attachments</h3>
          <AttachedFiles ids={mail.attachments} />
        </>
      )}
    </article>
  )
}
