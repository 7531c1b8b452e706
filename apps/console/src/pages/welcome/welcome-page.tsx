import { useState } from 'react'
import { useDevices } from '../../data/polled'
import { setPreferences } from '../../data/preferences'
import { useStatus } from '../../data/status'
import { Icon, Mark } from '../../parts/icon'
import { navigate } from '../../router'
import { RecoverySteps } from '../../shell/recovery'
import { Importing } from '../import/import-page'
import { NameForm } from '../settings/settings-page'

const STEPS = ['Name', 'Recovery', 'Import'] as const

/** What a person sees first: a name for the device, the words on paper, and the way to bring what they have elsewhere. Each step can be left for later. */
export function WelcomePage() {
  const status = useStatus()
  const { value } = useDevices()
  const [at, setAt] = useState(0)
  const own = value?.devices.find((each) => each.this)
  const confirmed = status?.recovery.confirmed === true
  const leave = () => {
    setPreferences({ welcomed: status?.did ?? null })
    navigate('/')
  }
  return (
    <div className="page welcome">
      <div className="page-head">
        <Mark size={44} />
        <h1>Welcome to your pod</h1>
        <p className="quiet">It is yours alone, and it lives on this machine. Three steps, and you can skip any of them.</p>
      </div>
      <ol className="steps" aria-label="First steps">
        {STEPS.map((name, place) => (
          <li key={name} aria-current={place === at ? 'step' : undefined} className={place < at ? 'past' : undefined}>
            {name}
          </li>
        ))}
      </ol>
      {at === 0 && (
        <section className="card welcome-step" aria-labelledby="welcome-name">
          <h2 id="welcome-name">What is this device called?</h2>
          <p>Later, when your phone joins, you tell your devices apart by their names.</p>
          {own && <NameForm key={own.name ?? ''} device={own.key} name={own.name ?? ''} label="Name of this device" button="Go on" onDone={() => setAt(1)} />}
          <button type="button" className="quiet-button" onClick={() => setAt(1)}>
            Skip
          </button>
        </section>
      )}
      {at === 1 && (
        <section className="card welcome-step recovery" aria-labelledby="welcome-recovery">
          <h2 id="welcome-recovery">Your way back in</h2>
          {confirmed && at === 1 ? (
            <Confirmed onNext={() => setAt(2)} />
          ) : (
            <RecoverySteps later="Later: remind me" done="Go on" onLater={() => setAt(2)} onDone={() => setAt(2)} />
          )}
        </section>
      )}
      {at === 2 && (
        <section className="welcome-import" aria-labelledby="welcome-import">
          <h2 id="welcome-import">Bring your life</h2>
          <p className="quiet">An export of another platform: you see what is in it before anything is kept, and nothing leaves this machine.</p>
          {!confirmed && (
            <p className="note" role="note">
              <Icon name="key" />
              <span>Not backed up yet: the mark at the top of every page leads back to the recovery words.</span>
            </p>
          )}
          <Importing />
          <button type="button" className="quiet-button" onClick={leave}>
            Not now, show me the pod
          </button>
        </section>
      )}
    </div>
  )
}

function Confirmed({ onNext }: { onNext: () => void }) {
  return (
    <>
      <p className="joined">
        <Icon name="check" size={22} />
        <span>The recovery words are on paper. Keep it where you keep things that matter.</span>
      </p>
      <div className="actions">
        <button type="button" className="button primary" onClick={onNext}>
          Go on
        </button>
      </div>
    </>
  )
}
