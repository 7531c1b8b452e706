import type { ImportJob, ImportLine, ImportReport } from '../../api/types'
import { shortDate } from '../../data/time'
import { Icon } from '../../parts/icon'
import { EntityName } from '../../parts/value'
import { Link } from '../../router'
import { bytes } from '../../data/exchange'
import { confidenceWords, importerWords, kindWords } from '../../data/words'

/** What an export holds and what importing it does; after the run, what it did. */
export function Report({ job, onRun, onAgain }: { job: ImportJob; onRun: () => void; onAgain: () => void }) {
  const { report } = job
  const done = job.state === 'done'
  if (!report) return null
  const nothingNew = report.added === 0 && report.changed === 0
  return (
    <section className="report" aria-label={done ? 'What was imported' : 'What is in it'}>
      <div className="report-head">
        <Icon name={done ? 'check' : 'file'} size={26} />
        <div>
          <h2>{done ? (nothingNew ? 'Everything was here already' : 'It is in your pod') : importerWords(report.recognised?.importer)}</h2>
          <p className="quiet">
            {job.name}
            {!done && report.recognised && <> · {confidenceWords(report.recognised.confidence)}</>}
            {report.range && (
              <>
                {' '}
                · {shortDate(report.range.from)} to {shortDate(report.range.to)}
              </>
            )}
          </p>
          {!done && report.recognised && <p className="quiet">Found in it: {report.recognised.why}.</p>}
        </div>
      </div>
      <Kinds report={report} />
      <Audiences report={report} />
      <Changes report={report} done={done} />
      <Notes report={report} />
      <div className="actions">
        {done ? (
          <>
            {places(report).map(([to, words], at) => (
              <Link key={to} to={to} className={at === 0 ? 'button primary' : 'button'}>
                {words}
              </Link>
            ))}
            <button type="button" className="button" onClick={onAgain}>
              Import another
            </button>
          </>
        ) : (
          <>
            <button type="button" className="button primary" onClick={onRun}>
              <Icon name="import" /> {nothingNew ? 'Import again' : 'Import'}
            </button>
            <button type="button" className="button" onClick={onAgain}>
              Choose another
            </button>
          </>
        )}
      </div>
    </section>
  )
}

const PLACES: [kinds: string[], to: string, words: string][] = [
  [['post', 'reply', 'boost'], '/', 'To the timeline'],
  [['media'], '/library/photos', 'To the photos'],
  [['conversation', 'message'], '/library/messages', 'To the messages'],
  [['event'], '/library/calendar', 'To the calendar'],
  [['contact'], '/library/contacts', 'To the contacts'],
  [['note'], '/library/notes', 'To the notes'],
  [['mail'], '/library/mail', 'To the mail'],
]

/** Where what was imported is to be seen; everything is among the data. */
function places(report: ImportReport): [to: string, words: string][] {
  const some = (kind: string) => {
    const counts = report.kinds[kind]
    return counts !== undefined && counts.added + counts.changed + counts.unchanged > 0
  }
  const found = PLACES.filter(([kinds]) => kinds.some(some)).map(([, to, words]): [string, string] => [to, words])
  return found.length > 0 ? found : [['/data', 'To the data']]
}

/** What people look for first comes first. */
const ORDER = ['profile', 'post', 'reply', 'boost', 'media', 'like', 'bookmark', 'poll-option', 'emoji']

function place(kind: string): number {
  const at = ORDER.indexOf(kind)
  return at < 0 ? ORDER.length : at
}

function Kinds({ report }: { report: ImportReport }) {
  const kinds = Object.entries(report.kinds).map(([kind, { added, changed, unchanged }]) => [kind, added + changed + unchanged] as const)
  const some = kinds.filter(([, count]) => count > 0).sort(([a], [b]) => place(a) - place(b))
  if (some.length === 0) return null
  return (
    <ul className="kinds" aria-label="By kind">
      {some.map(([kind, count]) => (
        <li key={kind}>
          <b>{count.toLocaleString()}</b>
          <span>{kindWords(kind, count)}</span>
        </li>
      ))}
    </ul>
  )
}

const AUDIENCES = ['public', 'unlisted', 'followers', 'direct'] as const

function Audiences({ report }: { report: ImportReport }) {
  const count = (audience: string) => report.audience[audience] ?? 0
  // notes, contacts and photographs were nobody's but yours: there is nothing to tell apart
  if (AUDIENCES.every((each) => each === 'direct' || count(each) === 0)) return null
  return (
    <div className="audiences">
      <h3>Who could see them</h3>
      <div className="audience-bar" aria-hidden="true">
        {AUDIENCES.filter((each) => count(each) > 0).map((each) => (
          <span key={each} className={each} style={{ flexGrow: count(each) }} />
        ))}
      </div>
      <ul>
        {AUDIENCES.map((each) => (
          <li key={each} className={each}>
            <Icon name={each} size={15} /> {each} <b>{count(each).toLocaleString()}</b>
          </li>
        ))}
      </ul>
      <p className="quiet">In your pod all of it is yours alone until you share it; what was not public keeps that mark.</p>
    </div>
  )
}

function Changes({ report, done }: { report: ImportReport; done: boolean }) {
  const rows: [name: string, count: number, why: string, always: boolean][] = [
    [done ? 'Added' : 'Would be added', report.added, 'new to this pod', true],
    [done ? 'Changed' : 'Would change', report.changed, 'newer in the export', true],
    ['Unchanged', report.unchanged, 'here already', true],
    ['Skipped', report.skipped, 'unreadable, repeated, or deleted here since', false],
    ['Kept', report.totals.kept, 'values that you changed since the last import stay', false],
    ['In conflict', report.totals.conflicts, 'values changed on both sides: yours stay, theirs are kept as proposals', false],
    ['No longer there', report.totals.vanished, 'imported before and missing now: they stay', false],
  ]
  return (
    <>
      <dl className="changes">
        {rows
          .filter(([, count, , always]) => always || count > 0)
          .map(([name, count, why]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <b>{count.toLocaleString()}</b> <span className="quiet">{why}</span>
              </dd>
            </div>
          ))}
      </dl>
      <Lines title="What you changed and keep" lines={report.kept} total={report.totals.kept} />
      <Lines title="What the export changed" lines={report.taken} total={report.totals.taken} />
      <Lines title="Changed on both sides" lines={report.conflicts} total={report.totals.conflicts} />
    </>
  )
}

const SHOWN = 50

function Lines({ title, lines, total }: { title: string; lines: ImportLine[]; total: number }) {
  if (total === 0) return null
  return (
    <details className="more-notes">
      <summary>
        {title}: {total.toLocaleString()}
      </summary>
      <ul>
        {lines.slice(0, SHOWN).map((line, at) => (
          <li key={at}>
            <EntityName id={line.entity} /> <code>{line.attribute}</code>
            <div className="sides">
              <span>here: {side(line.here)}</span>
              <span>export: {side(line.export)}</span>
            </div>
          </li>
        ))}
        <AndMore shown={Math.min(SHOWN, lines.length)} total={total} />
      </ul>
    </details>
  )
}

function side(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}

function AndMore({ shown, total }: { shown: number; total: number }) {
  return total > shown ? <li className="quiet">and {(total - shown).toLocaleString()} more</li> : null
}

function Notes({ report }: { report: ImportReport }) {
  const problems = Object.values(report.totals.problems).reduce((sum, each) => sum + each, 0)
  return (
    <>
      {!report.complete && (
        <div className="note" role="note">
          <Icon name="warning" />
          <p>Not all of the export could be read. What could be read is not affected.</p>
        </div>
      )}
      {problems > 0 && (
        <details className="more-notes" open={problems <= 3}>
          <summary>
            <Icon name="warning" size={16} /> {problems.toLocaleString()} {problems === 1 ? 'remark' : 'remarks'}
          </summary>
          <ul>
            {report.problems.slice(0, SHOWN).map((each, at) => (
              <li key={at}>
                {each.message}
                <span className="quiet">
                  {' '}
                  {each.file}
                  {each.item ? ` · ${each.item}` : ''}
                </span>
              </li>
            ))}
            <AndMore shown={Math.min(SHOWN, report.problems.length)} total={problems} />
          </ul>
        </details>
      )}
      {report.totals.files > 0 && (
        <details className="more-notes">
          <summary>
            <Icon name="file" size={16} /> {report.totals.files.toLocaleString()} {report.totals.files === 1 ? 'file that no importer knows: kept as it is' : 'files that no importer knows: kept as they are'}
          </summary>
          <ul>
            {report.files.slice(0, SHOWN).map((each) => (
              <li key={each.path}>
                <code>{each.path}</code> <span className="quiet">{bytes(each.bytes)}</span>
              </li>
            ))}
            <AndMore shown={Math.min(SHOWN, report.files.length)} total={report.totals.files} />
          </ul>
        </details>
      )}
    </>
  )
}
