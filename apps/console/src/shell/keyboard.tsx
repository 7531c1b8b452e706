import { useEffect } from 'react'
import { setPreferences, usePreferences } from '../data/preferences'
import { newestAction } from '../data/toasts'
import { Dialog } from '../parts/dialog'
import { navigate } from '../router'

const KEYS: [keys: string, does: string][] = [
  ['j / k', 'Next and previous post'],
  ['e', 'Edit the post'],
  ['o', 'Open its pictures'],
  ['Enter', 'All tuples of the post'],
  ['g then t, l, f, d, q, h, i', 'Timeline, library, following, data, query, history, import'],
  ['g then s, g, v, a, o, ,', 'Sharing, groups, devices, apps, storage, settings'],
  ['u', 'Undo, while that is offered'],
  ['/', 'Search'],
  ['.', 'To the top'],
  ['?', 'This list'],
]

const GO: Record<string, string> = { t: '/', l: '/library', f: '/following', d: '/data', q: '/query', i: '/import', v: '/devices', s: '/sharing', g: '/groups', a: '/apps', h: '/history', o: '/storage', ',': '/settings' }

/** Single keys, but never while something is being typed or a dialog is open. */
export function useShortcuts(help: () => void): void {
  useEffect(() => {
    let leading = false
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector('dialog[open]')) return
      const wasLeading = leading
      leading = false
      if (wasLeading && GO[event.key]) navigate(GO[event.key] ?? '/')
      else if (event.key === 'g') leading = true
      else if (event.key === 'j') step(1)
      else if (event.key === 'k') step(-1)
      else if (event.key === 'e') actOnCurrent('[data-action="edit"]')
      else if (event.key === 'o') actOnCurrent('[data-action="open-media"]')
      else if (event.key === 'Enter' && current() === document.activeElement) openCurrent()
      else if (event.key === '/') startSearch()
      else if (event.key === '.') window.scrollTo({ top: 0 })
      else if (event.key === 'u' && newestAction()) newestAction()?.()
      else if (event.key === '?') help()
      else return
      event.preventDefault()
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [help])
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName))
}

function posts(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('article[data-post]')]
}

function current(): HTMLElement | null {
  return document.activeElement?.closest<HTMLElement>('article[data-post]') ?? null
}

function step(by: 1 | -1): void {
  const all = posts()
  const at = current()
  const from = at ? all.indexOf(at) : -1
  const top = all.findIndex((each) => each.getBoundingClientRect().bottom > 120)
  const next = all[from >= 0 ? from + by : Math.max(0, top)]
  next?.focus({ preventScroll: true })
  next?.scrollIntoView({ block: 'nearest' })
}

function actOnCurrent(selector: string): void {
  current()?.querySelector<HTMLElement>(selector)?.click()
}

function openCurrent(): void {
  const id = current()?.dataset['post']
  if (id) navigate(`/data/${id}`)
}

function startSearch(): void {
  const field = document.getElementById('search-field')
  if (field) field.focus()
  else navigate('/search')
}

export function ShortcutHelp({ onClose }: { onClose: () => void }) {
  const { uncovered } = usePreferences()
  return (
    <Dialog title="Keyboard and display" onClose={onClose}>
      <dl className="shortcuts">
        {KEYS.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label className="switch">
        <input type="checkbox" role="switch" checked={uncovered} onChange={(event) => setPreferences({ uncovered: event.target.checked })} />
        <span>Always show sensitive media and posts with a content warning</span>
      </label>
    </Dialog>
  )
}
