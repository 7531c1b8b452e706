import { Live } from './live'
import { token } from './session'

/** The page's one connection to its pod. */
export const live = new Live(() => {
  const { protocol, host } = window.location
  return new WebSocket(`${protocol === 'https:' ? 'wss:' : 'ws:'}//${host}/api/1/live`)
}, token)
