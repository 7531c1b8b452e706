import type { EntityState } from '../api/live'
import type { EntityId } from '../api/types'
import { ruleWords, starts } from './recurrence'
import { blob, count, refs, text, texts, time, times } from './values'

/** Reads the public schemas of contacts, calendars, notes and mail from an entity's tuples. Unknown or odd values read as absent. */

export interface Contact {
  id: EntityId
  name: string
  org: string | null
  title: string | null
  photo: string | null
  birthday: string | null
  note: string | null
  emails: string[]
  phones: string[]
  urls: string[]
  addresses: string[]
  /** `label: value`. */
  fields: string[]
  categories: string[]
}

export interface CalendarEvent {
  id: EntityId
  title: string
  start: number
  /** Not included. */
  end: number | null
  allDay: boolean
  /** Its times are those of the clock on the wall, kept as UTC. */
  utc: boolean
  location: string | null
  description: string | null
  rule: string | null
  excluded: number[]
  status: string | null
}

export interface Mail {
  id: EntityId
  subject: string
  from: string
  to: string[]
  sent: number | null
  text: string
  attachments: EntityId[]
}

export interface Note {
  id: EntityId
  title: string
  text: string
  tags: string[]
  created: number | null
  updated: number | null
  files: EntityId[]
  /** Lines of an outline, or notes that lie in it, in order. */
  children: EntityId[]
}

/** A file that belongs to a note, a mail, a message or a post. */
export interface Attached {
  name: string | null
  blob: string | null
  mime: string
  bytes: number | null
  /** What it shows or says, for those who cannot see or hear it. */
  alt: string | null
}

export interface Message {
  id: EntityId
  sender: string | null
  sent: number | null
  text: string
  /** Whether the service wrote it. */
  notice: boolean
  files: EntityId[]
  reactions: string[]
}

export function readContact(id: EntityId, state: EntityState): Contact {
  return {
    id,
    name: text(state['contact/name']) ?? 'Nameless',
    org: text(state['contact/org']),
    title: text(state['contact/title']),
    photo: blob(state['contact/photo']),
    birthday: text(state['contact/birthday']),
    note: text(state['contact/note']),
    emails: texts(state['contact/email']),
    phones: texts(state['contact/tel']),
    urls: texts(state['contact/url']),
    addresses: texts(state['contact/address']),
    fields: texts(state['contact/field']),
    categories: texts(state['contact/category']),
  }
}

export function readEvent(id: EntityId, state: EntityState): CalendarEvent | null {
  const start = time(state['calendar/start'])
  if (start === null) return null
  const allDay = state['calendar/all-day'] === true
  return {
    id,
    title: text(state['calendar/title']) ?? 'Untitled',
    start,
    end: time(state['calendar/end']),
    allDay,
    utc: allDay || state['calendar/floating'] === true,
    location: text(state['calendar/location']),
    description: text(state['calendar/description']),
    rule: text(state['calendar/rrule']),
    excluded: times(state['calendar/exdate']),
    status: text(state['calendar/status']),
  }
}

export function readMail(id: EntityId, state: EntityState): Mail {
  return {
    id,
    subject: text(state['mail/subject']) ?? 'No subject',
    from: text(state['mail/from']) ?? text(state['mail/from-address']) ?? 'nobody',
    to: texts(state['mail/to']),
    sent: time(state['mail/sent']),
    text: text(state['mail/text']) ?? plain(text(state['mail/html']) ?? ''),
    attachments: refs(state['mail/attachment']),
  }
}

export function readNote(id: EntityId, state: EntityState): Note {
  const body = text(state['note/text']) ?? plain(text(state['note/html']) ?? '')
  return {
    id,
    title: text(state['note/title']) ?? firstLine(body),
    text: body,
    tags: texts(state['note/tag']),
    created: time(state['note/created']),
    updated: time(state['note/updated']),
    files: refs(state['note/file']),
    children: refs(state['note/child']),
  }
}

export function readAttached(state: EntityState): Attached {
  const said = (name: string) => state[`note/${name}`] ?? state[`mail/${name}`] ?? state[`social/${name}`]
  return {
    name: text(said('name')) ?? text(state['photo/title']),
    blob: blob(said('blob')),
    mime: text(said('mime')) ?? 'application/octet-stream',
    bytes: count(said('bytes')),
    alt: text(state['social/alt']) ?? text(state['photo/description']),
  }
}

export function readMessage(id: EntityId, state: EntityState): Message {
  return {
    id,
    sender: text(state['message/sender']),
    sent: time(state['message/sent']),
    text: text(state['message/text']) ?? '',
    notice: state['message/notice'] === true,
    files: refs(state['message/attachment']),
    reactions: texts(state['message/reaction']),
  }
}

/** What a conversation is called: by its title, or by who takes part. */
export function conversationName(state: EntityState): string {
  return text(state['message/title']) ?? (texts(state['message/participant']).join(', ') || 'Conversation')
}

function firstLine(body: string): string {
  const line = body.trim().split('\n', 1)[0]?.replace(/^#+\s*/, '') ?? ''
  return line === '' ? 'Untitled' : line.length > 80 ? `${line.slice(0, 79)}…` : line
}

const ENDS_A_LINE = /<\/(p|div|li|h[1-6]|tr|blockquote|pre)>|<br\s*\/?>/gi
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' }

/** HTML as plain text: nothing of it is ever drawn as HTML. */
export function plain(html: string): string {
  return html
    .replace(/<(script|style|head)\b[\s\S]*?<\/\1>/gi, '')
    .replace(/<li[^>]*>/gi, '• ')
    .replace(ENDS_A_LINE, '\n')
    .replace(/<[^>]*>/g, '')
    .replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|\w{1,8});/gi, (whole, name: string) => {
      const code = /^#x/i.test(name) ? parseInt(name.slice(2), 16) : name.startsWith('#') ? Number(name.slice(1)) : null
      if (code !== null) return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole
      return ENTITIES[name.toLowerCase()] ?? whole
    })
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

/** One time that an event takes place. */
export interface Occurrence {
  event: CalendarEvent
  start: number
  end: number
}

/** When events take place between two moments, in order. What repeats by a rule that is not read is shown once. */
export function occurrences(events: readonly CalendarEvent[], from: number, to: number): Occurrence[] {
  const out: Occurrence[] = []
  for (const event of events) {
    const long = Math.max(0, (event.end ?? event.start) - event.start)
    // all-day times are midnight UTC: in the reader's own day they begin at his midnight
    const local = (at: number) => (event.utc ? asLocal(at) : at)
    const slack = 86_400_000
    const found = event.rule ? starts(event.start, event.rule, event.utc, from - long - slack, to + slack) : null
    for (const start of found ?? [event.start]) {
      if (found && event.excluded.includes(start)) continue
      const [begins, ends] = [local(start), local(start + long)]
      if (begins < to && (ends > from || begins >= from)) out.push({ event, start: begins, end: ends })
    }
  }
  return out.sort((a, b) => a.start - b.start || (a.event.title < b.event.title ? -1 : 1))
}

/** The moment at which a clock here shows what one in UTC shows at `at`. */
function asLocal(at: number): number {
  const utc = new Date(at)
  return new Date(utc.getUTCFullYear(), utc.getUTCMonth(), utc.getUTCDate(), utc.getUTCHours(), utc.getUTCMinutes()).getTime()
}

export function repeats(event: CalendarEvent): string | null {
  return event.rule === null ? null : ruleWords(event.rule)
}
