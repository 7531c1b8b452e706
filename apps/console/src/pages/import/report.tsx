import type { ImportJob, ImportReport } from '../../api/types'
import { shortDate } from '../../data/time'
import { Icon } from '../../parts/icon'
import { Link } from '../../router'
import { confidenceWords, kindWords } from './words'

/** What an export holds and what importing it does; after the run, what it did. */
export function Report({ job, onRun, onAgain }: { job: ImportJob; onRun: () => void; onAgain: () => void }) {
  const { report } = job
  const done = job.state === 'done'
  if (!report) return null
  const nothingNew = report.added === 0 && report.changed === 0
  return (
    <section className="report" aria-label={done ? 'What was imported' : 'What is in it'}>
      <div className="report-head">
        <Icon name={done ? 'check' : report.recognised ? 'file' : 'warning'} size={26} />
        <div>
          <h2 tabIndex={-1}>{done ? (nothingNew ? 'Everything was here already' : 'It is in your pod') : (report.recognised?.label ?? 'Not recognised')}</h2>
          <p className="quiet">
            {job.name}
            {!done && report.recognised && <> · {confidenceWords(report.recognised.confidence)}</>}
            {report.from !== null && report.to !== null && (
              <>
                {' '}
                · {shortDate(report.from)} to {shortDate(report.to)}
              </>
            )}
          </p>
        </div>
      </div>
      {!report.recognised && !done ? (
        <p>No importer knows this. An export as the platform gave it (the zip file, not a part of it) works best.</p>
      ) : (
        <>
          <Kinds report={report} />
          <Audiences report={report} />
          <Changes report={report} done={done} />
        </>
      )}
      <Notes report={report} />
      <div className="actions">
        {done ? (
          <>
            <Link to="/" className="button primary">
              To the timeline
            </Link>
            <button type="button" className="button" onClick={onAgain}>
              Import another
            </button>
          </>
        ) : (
          <>
            <button type="button" className="button primary" onClick={onRun} disabled={!report.recognised}>
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

function Kinds({ report }: { report: ImportReport }) {
  const kinds = Object.entries(report.kinds).filter(([, count]) => count > 0)
  if (kinds.length === 0) return null
  return (
    <ul className="kinds" aria-label="By kind">
      {kinds.map(([kind, count]) => (
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
  const total = AUDIENCES.reduce((sum, each) => sum + (report.audiences[each] ?? 0), 0)
  if (total === 0) return null
  return (
    <div className="audiences">
      <h3>Who could see them</h3>
      <div className="audience-bar" aria-hidden="true">
        {AUDIENCES.map((each) => (
          <span key={each} className={each} style={{ flexGrow: report.audiences[each] ?? 0 }} />
        ))}
      </div>
      <ul>
        {AUDIENCES.map((each) => (
          <li key={each} className={each}>
            <Icon name={each} size={15} /> {each} <b>{(report.audiences[each] ?? 0).toLocaleString()}</b>
          </li>
        ))}
      </ul>
      <p className="quiet">In your pod all of it is yours alone until you share it; what was not public keeps that mark.</p>
    </div>
  )
}

function Changes({ report, done }: { report: ImportReport; done: boolean }) {
  const rows: [string, number, string][] = [
    [done ? 'Added' : 'Would be added', report.added, 'new to this pod'],
    [done ? 'Changed' : 'Would change', report.changed, 'newer in the export'],
    ['Unchanged', report.unchanged, 'here already'],
    ['Kept', report.kept, 'edited by you since the last import: yours stays'],
    ['Skipped', report.skipped, 'could not be read'],
  ]
  return (
    <dl className="changes">
      {rows
        .filter(([, count], at) => at < 3 || count > 0)
        .map(([name, count, why]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <b>{count.toLocaleString()}</b> <span className="quiet">{why}</span>
            </dd>
          </div>
        ))}
    </dl>
  )
}

function Notes({ report }: { report: ImportReport }) {
  return (
    <>
      {report.warnings.length > 0 && (
        <details className="more-notes" open={report.warnings.length <= 3}>
          <summary>
            <Icon name="warning" size={16} /> {report.warnings.length} {report.warnings.length === 1 ? 'remark' : 'remarks'}
          </summary>
          <ul>
            {report.warnings.map((each, at) => (
              <li key={at}>{each}</li>
            ))}
          </ul>
        </details>
      )}
      {report.unknown_files_total > 0 && (
        <details className="more-notes">
          <summary>
            <Icon name="file" size={16} /> {report.unknown_files_total.toLocaleString()}{' '}
            {report.unknown_files_total === 1 ? 'file' : 'files'} that no importer knows: kept as they are
          </summary>
          <ul>
            {report.unknown_files.map((each) => (
              <li key={each}>
                <code>{each}</code>
              </li>
            ))}
            {report.unknown_files_total > report.unknown_files.length && (
              <li className="quiet">and {(report.unknown_files_total - report.unknown_files.length).toLocaleString()} more</li>
            )}
          </ul>
        </details>
      )}
    </>
  )
}
