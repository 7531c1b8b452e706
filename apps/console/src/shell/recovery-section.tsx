import { useState } from 'react'
import { Icon } from '../parts/icon'
import { RecoveryDialog } from './recovery'
import { RecoveryTest } from './recovery-test'

/** Whether the pod could be taken back if all devices were lost, and what to do about it. */
export function Recovery({ confirmed }: { confirmed: boolean | undefined }) {
  const [open, setOpen] = useState<'show' | 'test' | null>(null)
  return (
    <section aria-labelledby="recovery">
      <div className="section-head">
        <h2 id="recovery">Recovery words</h2>
      </div>
      <div className="card">
        <Icon name="key" size={22} />
        <div className="card-body">
          <p>
            {confirmed === false
              ? 'They are not on paper yet. If every device were lost, this pod would be lost too.'
              : 'Twenty-four words on paper take this pod back when every device is lost, from any peer that keeps it.'}
          </p>
          <div className="actions">
            {confirmed === false && (
              <button type="button" className="button primary small" onClick={() => setOpen('show')}>
                Write them down
              </button>
            )}
            <button type="button" className="button small" onClick={() => setOpen('test')}>
              Test the paper
            </button>
          </div>
        </div>
      </div>
      {open === 'show' && <RecoveryDialog onClose={() => setOpen(null)} />}
      {open === 'test' && <RecoveryTest onClose={() => setOpen(null)} />}
    </section>
  )
}
