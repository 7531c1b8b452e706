import { useState } from 'react'
import { setPreferences, usePreferences } from '../data/preferences'
import { useStatus } from '../data/status'
import { Icon, type IconName, Mark } from '../parts/icon'
import { Link, type Route } from '../router'
import { RecoveryDialog } from './recovery'
import { groupOf } from './subpages'

const PAGES: { to: string; label: string; icon: IconName; pages: Route['page'][] }[] = [
  { to: '/', label: 'Timeline', icon: 'timeline', pages: ['timeline'] },
  { to: '/library', label: 'Library', icon: 'library', pages: groupOf('Library') },
  { to: '/following', label: 'Following', icon: 'public', pages: ['following'] },
  { to: '/data', label: 'Data', icon: 'data', pages: groupOf('Data') },
  { to: '/import', label: 'Import', icon: 'import', pages: ['import'] },
  { to: '/sharing', label: 'Sharing', icon: 'sharing', pages: groupOf('Sharing') },
]

const THEMES = [
  { theme: 'system', next: 'light', label: 'Colours follow the system', icon: 'auto' },
  { theme: 'light', next: 'dark', label: 'Light colours', icon: 'sun' },
  { theme: 'dark', next: 'system', label: 'Dark colours', icon: 'moon' },
] as const

export function Navigation({ route, onHelp }: { route: Route; onHelp: () => void }) {
  const { theme } = usePreferences()
  const current = THEMES.find((each) => each.theme === theme) ?? THEMES[0]
  return (
    <header className="top">
      <div className="top-inner">
        <Link to="/" className="brand" aria-label="Rhizome, to the timeline">
          <Mark />
          <span>Rhizome</span>
        </Link>
        <nav className="pages" aria-label="Pages">
          {PAGES.map(({ to, label, icon, pages }) => (
            <Link key={to} to={to} aria-current={pages.includes(route.page) ? 'page' : undefined}>
              <Icon name={icon} size={20} />
              <span>{label}</span>
            </Link>
          ))}
        </nav>
        <Link to="/search" className="icon-button" aria-label="Search" title="Search (/)" aria-current={route.page === 'search' ? 'page' : undefined}>
          <Icon name="search" />
        </Link>
        {route.page !== 'welcome' && <NotBackedUp />}
        <button type="button" className="icon-button keys" aria-label="Keyboard and display" title="Keyboard and display (?)" onClick={onHelp}>
          <Icon name="keyboard" />
        </button>
        <button
          type="button"
          className="icon-button theme"
          aria-label={`${current.label}. Change`}
          title={current.label}
          onClick={() => setPreferences({ theme: current.next })}
        >
          <Icon name={current.icon} />
        </button>
        <Link
          to="/settings"
          className="icon-button"
          aria-label="Settings"
          title="Settings, devices, storage"
          aria-current={groupOf('Settings').includes(route.page) ? 'page' : undefined}
        >
          <Icon name="settings" />
        </Link>
      </div>
    </header>
  )
}

/** There until the recovery words are on paper, on every page. */
function NotBackedUp() {
  const confirmed = useStatus()?.recovery.confirmed
  const [open, setOpen] = useState(false)
  return (
    <>
      {confirmed === false && (
        <button type="button" className="badge warn" title="Recovery words are not written down yet" onClick={() => setOpen(true)}>
          <Icon name="key" size={15} />
          <span>Not backed up</span>
        </button>
      )}
      {open && <RecoveryDialog onClose={() => setOpen(false)} />}
    </>
  )
}
