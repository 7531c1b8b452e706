import { setPreferences, usePreferences } from '../data/preferences'
import { Icon, type IconName, Mark } from '../parts/icon'
import { Link, type Route } from '../router'

const PAGES: { to: string; label: string; icon: IconName; pages: Route['page'][] }[] = [
  { to: '/', label: 'Timeline', icon: 'timeline', pages: ['timeline'] },
  { to: '/following', label: 'Following', icon: 'public', pages: ['following'] },
  { to: '/data', label: 'Data', icon: 'data', pages: ['data', 'entity', 'conflicts'] },
  { to: '/query', label: 'Query', icon: 'query', pages: ['query'] },
  { to: '/import', label: 'Import', icon: 'import', pages: ['import'] },
  { to: '/devices', label: 'Devices', icon: 'devices', pages: ['devices'] },
  { to: '/sharing', label: 'Sharing', icon: 'sharing', pages: ['sharing'] },
  { to: '/groups', label: 'Groups', icon: 'groups', pages: ['groups', 'group'] },
  { to: '/apps', label: 'Apps', icon: 'apps', pages: ['apps'] },
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
      </div>
    </header>
  )
}
