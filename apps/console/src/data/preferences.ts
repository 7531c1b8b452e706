import { useSyncExternalStore } from 'react'

/** Choices of this browser, kept in localStorage. Nothing of the pod's data goes there. */
export interface Preferences {
  theme: 'system' | 'light' | 'dark'
  /** Show sensitive media and texts behind a content warning without asking. */
  uncovered: boolean
  /** The pod whose welcome was left. */
  welcomed: string | null
}

const KEY = 'rhizome.preferences'
const DEFAULTS: Preferences = { theme: 'system', uncovered: false, welcomed: null }

let current = load()
const listeners = new Set<() => void>()

function load(): Preferences {
  try {
    const stored = JSON.parse(window.localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>
    return {
      theme: stored.theme === 'light' || stored.theme === 'dark' ? stored.theme : DEFAULTS.theme,
      uncovered: stored.uncovered === true,
      welcomed: typeof stored.welcomed === 'string' ? stored.welcomed : null,
    }
  } catch {
    return DEFAULTS
  }
}

export function setPreferences(change: Partial<Preferences>): void {
  current = { ...current, ...change }
  window.localStorage.setItem(KEY, JSON.stringify(current))
  applyTheme()
  for (const listener of listeners) listener()
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => current,
  )
}

export function applyTheme(): void {
  if (current.theme === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = current.theme
}
