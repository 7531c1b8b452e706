import { useCallback, useEffect, useRef, useState } from 'react'
import { onRefused } from './api/http'
import { live } from './api/pod'
import { token } from './api/session'
import type { Status } from './api/types'
import { StatusContext } from './data/status'
import { AppsPage } from './pages/apps/apps-page'
import { AuthorizePage } from './pages/authorize/authorize-page'
import { ConflictsPage } from './pages/data/conflicts-page'
import { DataPage } from './pages/data/data-page'
import { EntityPage } from './pages/data/entity-page'
import { HistoryPage } from './pages/data/history-page'
import { DevicesPage } from './pages/devices/devices-page'
import { FollowingPage } from './pages/following/following-page'
import { GroupPage } from './pages/groups/group-page'
import { GroupsPage } from './pages/groups/groups-page'
import { ImportPage } from './pages/import/import-page'
import { LibraryPage } from './pages/library/library-page'
import { MissingPage } from './pages/missing'
import { QueryPage } from './pages/query/query-page'
import { SearchPage } from './pages/search/search-page'
import { SettingsPage } from './pages/settings/settings-page'
import { StoragePage } from './pages/settings/storage-page'
import { SharingPage } from './pages/sharing/sharing-page'
import { TimelinePage } from './pages/timeline/timeline-page'
import { WelcomePage } from './pages/welcome/welcome-page'
import { type Place, usePlace } from './router'
import { ShortcutHelp, useShortcuts } from './shell/keyboard'
import { Navigation } from './shell/navigation'
import { StatusBar } from './shell/status-bar'
import { Subpages } from './shell/subpages'
import { Toasts } from './shell/toasts'
import { Unlock } from './shell/unlock'

export function App() {
  const [unlocked, setUnlocked] = useState(() => token() !== null)
  useEffect(() => onRefused(() => setUnlocked(false)), [])
  useEffect(
    () =>
      live.watch((state) => {
        if (state === 'refused') setUnlocked(false)
      }),
    [],
  )
  const { route, search } = usePlace()
  const unlock = useCallback(() => setUnlocked(true), [])
  if (!unlocked) return <Unlock onUnlocked={unlock} />
  // Nothing to wander off to while somebody decides.
  if (route.page === 'authorize') return <AuthorizePage key={search.toString()} search={search} />
  return <Shell />
}

function Shell() {
  const place = usePlace()
  const [status, setStatus] = useState<Status | null>(null)
  useEffect(() => live.subscribe({ status: true }, { status: setStatus }), [])
  const main = useFocusOnNavigation(place)
  const [help, setHelp] = useState(false)
  const showHelp = useCallback(() => setHelp(true), [])
  useShortcuts(showHelp)
  return (
    <StatusContext value={status}>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <Navigation route={place.route} onHelp={showHelp} />
      <main id="main" ref={main} tabIndex={-1}>
        <Subpages route={place.route} />
        <Page place={place} />
      </main>
      <Toasts />
      <StatusBar />
      {help && <ShortcutHelp onClose={() => setHelp(false)} />}
    </StatusContext>
  )
}

function Page({ place }: { place: Place }) {
  switch (place.route.page) {
    case 'timeline':
      return <TimelinePage search={place.search} />
    case 'query':
      return <QueryPage search={place.search} />
    case 'search':
      return <SearchPage search={place.search} />
    case 'import':
      return <ImportPage />
    case 'data':
      return <DataPage search={place.search} />
    case 'devices':
      return <DevicesPage />
    case 'following':
      return <FollowingPage />
    case 'sharing':
      return <SharingPage />
    case 'groups':
      return <GroupsPage />
    case 'group':
      return <GroupPage key={place.route.did} did={place.route.did} />
    case 'apps':
      return <AppsPage />
    case 'conflicts':
      return <ConflictsPage />
    case 'history':
      return <HistoryPage />
    case 'storage':
      return <StoragePage />
    case 'settings':
      return <SettingsPage />
    case 'welcome':
      return <WelcomePage />
    case 'entity':
      return <EntityPage key={place.route.id} id={place.route.id} />
    case 'library':
      return <LibraryPage part={place.route.part} search={place.search} />
    case 'authorize': // without a shell
    case 'missing':
      return <MissingPage />
  }
}

const TITLES = {
  timeline: 'Timeline',
  query: 'Query',
  search: 'Search',
  import: 'Import',
  data: 'Data',
  entity: 'Data',
  devices: 'Devices',
  sharing: 'Sharing',
  following: 'Following',
  groups: 'Groups',
  group: 'Group',
  apps: 'Apps',
  authorize: 'An app asks',
  conflicts: 'Conflicts',
  history: 'History',
  storage: 'Storage',
  settings: 'Settings',
  welcome: 'Welcome',
  library: 'Library',
  missing: 'Not found',
}

/** After a change of page the keyboard starts at its top, and a screen reader says where it is. */
function useFocusOnNavigation(place: Place) {
  const main = useRef<HTMLElement>(null)
  const last = useRef(place.path)
  useEffect(() => {
    document.title = `${TITLES[place.route.page]} · Rhizome`
    if (last.current === place.path) return
    last.current = place.path
    main.current?.focus({ preventScroll: true })
  }, [place])
  return main
}
