import { useCallback, useEffect, useReducer, useRef } from 'react'
import { ApiError, api, upload } from '../../api/http'
import type { ImportJob } from '../../api/types'
import { ErrorNote } from '../../parts/note'
import { Choose } from './choose'
import { Progress } from './progress'
import { Report } from './report'

/**
 * An import in four steps: choose, look (a dry run that writes nothing), run, done. The pod does the work as a job;
 * this page follows it, so leaving the page stops nothing.
 */
type Step =
  | { at: 'choose'; error: unknown }
  | { at: 'sending'; name: string; sent: number; size: number }
  | { at: 'job'; job: ImportJob; error: unknown }

type Event =
  | { type: 'send'; name: string; size: number }
  | { type: 'sent'; sent: number }
  | { type: 'job'; job: ImportJob }
  | { type: 'found'; job: ImportJob }
  | { type: 'failed'; error: unknown }
  | { type: 'again' }

function step(now: Step, event: Event): Step {
  switch (event.type) {
    case 'send':
      return { at: 'sending', name: event.name, sent: 0, size: event.size }
    case 'sent':
      return now.at === 'sending' ? { ...now, sent: event.sent } : now
    case 'job':
      return { at: 'job', job: event.job, error: null }
    case 'found':
      // somebody who has chosen a file meanwhile wants that one
      return now.at === 'choose' ? { at: 'job', job: event.job, error: null } : now
    case 'failed':
      return now.at === 'job' ? { ...now, error: event.error } : { at: 'choose', error: event.error }
    case 'again':
      return { at: 'choose', error: null }
  }
}

const WORKING: ImportJob['state'][] = ['receiving', 'reading', 'importing']
const POLL_MS = 300
const REMEMBERED = 'rhizome.import-job'

export function ImportPage() {
  return (
    <div className="page import">
      <div className="page-head">
        <h1>Import</h1>
        <p className="quiet">You see what an export holds before anything is kept. Importing the same one again adds nothing twice.</p>
      </div>
      <Importing />
    </div>
  )
}

/** The four steps. */
export function Importing() {
  const [now, send] = useReducer(step, { at: 'choose', error: null })
  const abort = useRef<AbortController | null>(null)
  const job = now.at === 'job' ? now.job : null
  const working = job !== null && WORKING.includes(job.state)

  useEffect(() => {
    if (!job || !working) return
    const controller = new AbortController()
    const timer = setTimeout(() => {
      api.importJob(job.job, controller.signal).then(
        (next) => send({ type: 'job', job: next }),
        (error: unknown) => {
          if (!controller.signal.aborted) send({ type: 'failed', error })
        },
      )
    }, POLL_MS)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [job, working])

  // A reload finds the job that was under way.
  useEffect(() => {
    const remembered = window.sessionStorage.getItem(REMEMBERED)
    if (!remembered) return
    api.importJob(remembered).then(
      (found) => send({ type: 'found', job: found }),
      () => window.sessionStorage.removeItem(REMEMBERED),
    )
  }, [])
  const jobId = job?.job
  const ended = job?.state === 'done' || job?.state === 'failed' || job?.state === 'cancelled'
  useEffect(() => {
    // once its end was seen, who comes back wants to import something else
    if (ended) window.sessionStorage.removeItem(REMEMBERED)
    else if (jobId) window.sessionStorage.setItem(REMEMBERED, jobId)
  }, [jobId, ended])

  const begin = useCallback(async (work: () => Promise<ImportJob>) => {
    try {
      send({ type: 'job', job: await work() })
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') send({ type: 'again' })
      else send({ type: 'failed', error })
    }
  }, [])

  const chooseFile = (file: File) => {
    const controller = new AbortController()
    abort.current = controller
    send({ type: 'send', name: file.name, size: file.size })
    void begin(() => upload(file, (sent) => send({ type: 'sent', sent }), controller.signal))
  }

  const again = () => {
    if (job) void api.importDrop(job.job).catch(() => {})
    window.sessionStorage.removeItem(REMEMBERED)
    send({ type: 'again' })
  }

  return (
    <>
      <Steps now={now} />
      {now.at === 'choose' && (
        <>
          {now.error !== null && <ErrorNote error={now.error} />}
          <Choose onFile={chooseFile} onPath={(path) => void begin(() => api.importPath(path))} />
        </>
      )}
      {now.at === 'sending' && (
        <Progress title={`Sending ${now.name} to your pod`} phase="" done={now.sent} total={now.size} onCancel={() => abort.current?.abort()} />
      )}
      {now.at === 'job' && now.error !== null && <ErrorNote error={now.error} />}
      {job && working && (
        <Progress
          title={job.state === 'importing' ? `Importing ${job.name}` : `Looking at ${job.name}`}
          phase={job.progress.phase}
          done={job.progress.done}
          total={job.progress.total}
          records={job.progress.records}
          onCancel={again}
        />
      )}
      {job && (job.state === 'failed' || job.state === 'cancelled') && (
        <ErrorNote error={job.error ? new ApiError(0, job.error) : new Error('The import ended before its end.')}>
          <div className="actions">
            <button type="button" className="button" onClick={again}>
              Choose another
            </button>
          </div>
        </ErrorNote>
      )}
      {job && (job.state === 'ready' || job.state === 'done') && (
        <Report job={job} onRun={() => void begin(() => api.importRun(job.job))} onAgain={again} />
      )}
    </>
  )
}

const STEPS = ['Choose', 'Look', 'Import', 'Done']

function Steps({ now }: { now: Step }) {
  const state = now.at === 'job' ? now.job.state : null
  const at = now.at === 'choose' || now.at === 'sending' ? 0 : state === 'done' ? 3 : state === 'importing' ? 2 : 1
  return (
    <ol className="steps" aria-label="Steps">
      {STEPS.map((name, index) => (
        <li key={name} aria-current={index === at ? 'step' : undefined} className={index < at ? 'past' : undefined}>
          {name}
        </li>
      ))}
    </ol>
  )
}
