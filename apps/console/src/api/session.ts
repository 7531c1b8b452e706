/**
 * The bearer token. `rhizome up` opens the page at `…/#token=…`; a fragment is never sent to a server and never logged.
 * The token is moved to sessionStorage (this tab only, gone when it closes) and taken out of the address bar. Other tabs may borrow it
 * (`lending.ts`).
 */

const KEY = 'rhizome.token'

let current: string | null = null

/** Reads the token from the address, else from this tab's storage. */
export function token(): string | null {
  if (current) return current
  const fromAddress = takeFromFragment(window.location.hash)
  if (fromAddress) {
    keep(fromAddress)
    window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search)
  } else {
    current = window.sessionStorage.getItem(KEY)
  }
  return current
}

/** Stores a token that the person pasted: the bare token, or the whole address that the pod printed. */
export function keep(pasted: string): boolean {
  const found = tokenIn(pasted)
  if (!found) return false
  current = found
  window.sessionStorage.setItem(KEY, found)
  return true
}

/** Called when the pod refuses the token: it was restarted, and made a new one. */
export function forget(): void {
  current = null
  window.sessionStorage.removeItem(KEY)
}

export function tokenIn(text: string): string | null {
  const trimmed = text.trim()
  const hash = trimmed.indexOf('#')
  if (hash >= 0) return takeFromFragment(trimmed.slice(hash))
  return looksLikeToken(trimmed) ? trimmed : null
}

export function looksLikeToken(text: string): boolean {
  return /^[A-Za-z0-9_-]{16,128}$/.test(text)
}

function takeFromFragment(fragment: string): string | null {
  const value = new URLSearchParams(fragment.replace(/^#/, '')).get('token')
  return value && looksLikeToken(value) ? value : null
}
