import { type LibraryPart, Link, type Route } from '../router'

interface Sub {
  to: string
  label: string
  pages: Route['page'][]
  /** Where one page has parts: which. */
  part?: LibraryPart
}

/** Pages that stand together: one of them is in the bar of pages, and all of them above each other's content. */
const GROUPS: { name: string; pages: Sub[] }[] = [
  {
    name: 'Library',
    pages: [
      { to: '/library/photos', label: 'Photos', pages: ['library'], part: 'photos' },
      { to: '/library/messages', label: 'Messages', pages: ['library'], part: 'messages' },
      { to: '/library/calendar', label: 'Calendar', pages: ['library'], part: 'calendar' },
      { to: '/library/contacts', label: 'Contacts', pages: ['library'], part: 'contacts' },
      { to: '/library/notes', label: 'Notes', pages: ['library'], part: 'notes' },
      { to: '/library/mail', label: 'Mail', pages: ['library'], part: 'mail' },
    ],
  },
  {
    name: 'Data',
    pages: [
      { to: '/data', label: 'Browse', pages: ['data', 'entity', 'conflicts'] },
      { to: '/query', label: 'Query', pages: ['query'] },
      { to: '/history', label: 'History', pages: ['history'] },
    ],
  },
  {
    name: 'Sharing',
    pages: [
      { to: '/sharing', label: 'People', pages: ['sharing'] },
      { to: '/groups', label: 'Groups', pages: ['groups', 'group'] },
      { to: '/apps', label: 'Apps', pages: ['apps'] },
    ],
  },
  {
    name: 'Settings',
    pages: [
      { to: '/settings', label: 'Settings', pages: ['settings'] },
      { to: '/devices', label: 'Devices', pages: ['devices'] },
      { to: '/storage', label: 'Storage', pages: ['storage'] },
    ],
  },
]

export function Subpages({ route }: { route: Route }) {
  const group = GROUPS.find((each) => each.pages.some((sub) => sub.pages.includes(route.page)))
  if (!group) return null
  return (
    <nav className="subpages" aria-label={group.name}>
      {group.pages.map(({ to, label, pages, part }) => (
        <Link key={to} to={to} aria-current={pages.includes(route.page) && (route.page !== 'library' || route.part === part) ? 'page' : undefined}>
          {label}
        </Link>
      ))}
    </nav>
  )
}

/** All pages that stand with this one. */
export function groupOf(name: string): Route['page'][] {
  return GROUPS.find((each) => each.name === name)?.pages.flatMap((sub) => sub.pages) ?? []
}
