import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { lend } from './api/lending'
import { token } from './api/session'
import { App } from './app'
import { applyTheme } from './data/preferences'
import './style/base.css'
import './style/shell.css'
import './style/timeline.css'
import './style/search.css'
import './style/query.css'
import './style/import.css'
import './style/data.css'
import './style/devices.css'
import './style/sharing.css'
import './style/following.css'
import './style/groups.css'
import './style/apps.css'
import './style/more.css'

applyTheme()
// Takes the token out of the address before anything else can see it.
token()
lend()

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
}
