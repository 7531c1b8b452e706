import { useEffect, useMemo, useRef, useState } from 'react'
import { ApiError } from '../../api/http'
import type { EntityId } from '../../api/types'
import { useEntities, useEntity } from '../../data/entities'
import { conversationName, type Message, readMessage } from '../../data/library'
import { useRows } from '../../data/rows'
import { AttachedFiles } from '../../parts/attached'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Text } from '../../parts/text'
import { Time } from '../../parts/time'
import { Link, navigate } from '../../router'
import { Nothing } from './library-page'

const CONVERSATIONS = '[:find ?c :where [?c "message/type" "conversation"] :limit 5000]'
const LATEST = '[:find ?c (max ?at) :where [?m "message/conversation" ?c] [?m "message/sent" ?at]]'
const PAGE = 100

const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

/** Conversations, the one that was last written in first, and what was written in one of them. */
export function MessagesPage({ search }: { search: URLSearchParams }) {
  const all = useRows(CONVERSATIONS)
  const latest = useRows(LATEST)
  const chosen = search.get('id')
  const conversations = useMemo(() => {
    const at = new Map(latest.rows.map(({ cells: [id, last] }) => [String(id), Number(last)]))
    const found = all.rows.map(({ cells: [id] }) => ({ id: String(id), at: at.get(String(id)) ?? null }))
    return found.sort((a, b) => (b.at ?? 0) - (a.at ?? 0) || (a.id < b.id ? -1 : 1))
  }, [all.rows, latest.rows])
  const error = all.error ?? latest.error
  if (error) return <ErrorNote error={new ApiError(0, error)} />
  if (all.state === 'loading' || latest.state === 'loading') return <Loading what="Reading" />
  return (
    <div className={chosen ? 'page library chosen' : 'page library'}>
      <div className="page-head">
        <h1>Messages</h1>
      </div>
      {conversations.length === 0 ? (
        <Nothing kind={{ icon: 'reply', bring: 'Exports of WhatsApp, Signal, Telegram, Facebook, Instagram and others hold conversations.' }} />
      ) : (
        <div className="library-columns">
          <section className="library-list" aria-label="Conversations">
            <ul>
              {conversations.map(({ id, at }) => (
                <li key={id}>
                  <Link to={`/library/messages?id=${id}`} aria-current={id === chosen ? 'true' : undefined}>
                    <ConversationName id={id} />
                    {at !== null && (
                      <span className="quiet">
                        <Time at={at} />
                      </span>
                    )}
                  </Link>
                </li>
              ))}
            </ul>
          </section>
          {chosen && <Conversation key={chosen} id={chosen} />}
        </div>
      )}
    </div>
  )
}

function ConversationName({ id }: { id: EntityId }) {
  const known = useEntity(id)
  return <span>{known?.state ? conversationName(known.state) : '…'}</span>
}

function Conversation({ id }: { id: EntityId }) {
  const [shown, setShown] = useState(PAGE)
  const { state, rows } = useRows(
    `[:find ?m ?at :in $ ?c :where [?m "message/conversation" ?c] [?m "message/sent" ?at] :order [[?at :desc]] :limit ${shown + 1}]`,
    [{ ref: id }],
  )
  const ids = useMemo(() => rows.slice(0, shown).map((row) => String(row.cells[0])).reverse(), [rows, shown])
  const states = useEntities(ids)
  const messages = ids.flatMap((each, at): Message[] => {
    const said = states[at]?.state
    return said ? [readMessage(each, said)] : []
  })
  const end = useRef<HTMLDivElement>(null)
  const some = messages.length > 0
  // a conversation is entered where it stopped
  useEffect(() => {
    if (some) end.current?.scrollIntoView({ block: 'end' })
  }, [some])
  return (
    <section className="library-one conversation" aria-label="Conversation">
      <div className="library-bar">
        <button type="button" className="quiet-button" onClick={() => navigate('/library/messages')}>
          <Icon name="close" size={15} /> Close
        </button>
      </div>
      <h2>
        <ConversationName id={id} />
      </h2>
      {state === 'ready' && rows.length === 0 && <p className="quiet">Nothing in it says when it was written.</p>}
      {rows.length > shown && (
        <button type="button" className="button" onClick={() => setShown(shown * 4)}>
          Earlier messages
        </button>
      )}
      <ol>
        {messages.map((message, at) => (
          <MessageView key={message.id} message={message} before={messages[at - 1] ?? null} />
        ))}
      </ol>
      <div ref={end} className="conversation-end" />
    </section>
  )
}

function MessageView({ message, before }: { message: Message; before: Message | null }) {
  const today = message.sent === null ? null : day.format(message.sent)
  const newDay = today !== null && (before?.sent == null || day.format(before.sent) !== today)
  const newSender = newDay || before?.sender !== message.sender || before.notice !== message.notice
  return (
    <li className={message.notice ? 'message notice' : 'message'}>
      {newDay && <h3>{today}</h3>}
      {newSender && message.sender && <b className="message-sender">{message.sender}</b>}
      {message.text && (
        <p className="value text" dir="auto">
          <Text text={message.text} />
        </p>
      )}
      <AttachedFiles ids={message.files} />
      <p className="quiet message-about">
        {message.sent !== null && <time dateTime={new Date(message.sent).toISOString()}>{hour.format(message.sent)}</time>} {message.reactions.join('  ')}
      </p>
    </li>
  )
}
