import { type ComponentProps, type MouseEvent, useSyncExternalStore } from 'react'

/** Addresses of the console. A few pages do not need a routing library. */
export type Route =
  | { page: 'timeline' }
  | { page: 'query' }
  | { page: 'search' }
  | { page: 'import' }
  | { page: 'data' }
  | { page: 'devices' }
  | { page: 'sharing' }
  | { page: 'following' }
  | { page: 'groups' }
  | { page: 'group'; did: string }
  | { page: 'apps' }
  | { page: 'authorize' }
  | { page: 'conflicts' }
  | { page: 'history' }
  | { page: 'storage' }
  | { page: 'settings' }
  | { page: 'welcome' }
  /** Without a part: the first that holds something. */
  | { page: 'library'; part: LibraryPart | null }
  | { page: 'entity'; id: string }
  | { page: 'missing' }

export const LIBRARY = ['photos', 'messages', 'calendar', 'contacts', 'notes', 'mail'] as const
export type LibraryPart = (typeof LIBRARY)[number]

export interface Place {
  route: Route
  path: string
  search: URLSearchParams
}

export function parse(path: string): Route {
  const [first = '', second, ...rest] = path.replace(/^\//, '').split('/')
  if (rest.length > 0) return { page: 'missing' }
  if (second !== undefined) {
    const id = decode(second)
    if (first === 'groups') return id && /^did:rhizome:[a-z0-9]+$/.test(id) ? { page: 'group', did: id } : { page: 'missing' }
    if (first === 'library') {
      const part = LIBRARY.find((each) => each === id)
      return part ? { page: 'library', part } : { page: 'missing' }
    }
    return first === 'data' && id?.startsWith('rz:') ? { page: 'entity', id } : { page: 'missing' }
  }
  switch (first) {
    case '':
      return { page: 'timeline' }
    case 'query':
    case 'search':
    case 'import':
    case 'data':
    case 'devices':
    case 'sharing':
    case 'following':
    case 'groups':
    case 'apps':
    case 'authorize':
    case 'conflicts':
    case 'history':
    case 'storage':
    case 'settings':
    case 'welcome':
      return { page: first }
    case 'library':
      return { page: 'library', part: null }
    default:
      return { page: 'missing' }
  }
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part)
  } catch {
    return null
  }
}

export function entityPath(id: string): string {
  return `/data/${id}`
}

export function groupPath(did: string): string {
  return `/groups/${did}`
}

let place = read()
const listeners = new Set<() => void>()

function read(): Place {
  const { pathname, search } = window.location
  return { route: parse(pathname), path: pathname, search: new URLSearchParams(search) }
}

function renew(): void {
  place = read()
  for (const listener of listeners) listener()
}

window.addEventListener('popstate', renew)

export function navigate(to: string, how: 'push' | 'replace' = 'push'): void {
  if (to === window.location.pathname + window.location.search) return
  const samePage = new URL(to, window.location.href).pathname === window.location.pathname
  window.history[how === 'push' ? 'pushState' : 'replaceState'](null, '', to)
  renew()
  if (!samePage) window.scrollTo(0, 0)
}

export function usePlace(): Place {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => place,
  )
}

/** A link within the console. With a modifier key it does what any link does. */
export function Link({ to, onClick, ...rest }: Omit<ComponentProps<'a'>, 'href'> & { to: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event)
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    navigate(to)
  }
  return <a href={to} onClick={follow} {...rest} />
}
