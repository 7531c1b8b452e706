import { dismiss, hold, linger, useToasts } from '../data/toasts'
import { Icon } from '../parts/icon'

/** Messages that come and go. A screen reader hears them without losing its place; `u` does what the newest one offers. */
export function Toasts() {
  const toasts = useToasts()
  return (
    <div className="toasts" role="status" aria-label="Messages">
      {toasts.map(({ id, text, action }) => (
        <div key={id} className="toast" onPointerEnter={() => hold(id)} onPointerLeave={() => linger(id)} onFocus={() => hold(id)} onBlur={() => linger(id)}>
          <span>{text}</span>
          {action && (
            <button type="button" className="toast-action" aria-keyshortcuts="u" onClick={action.run}>
              {action.label}
            </button>
          )}
          <button type="button" className="icon-button small" aria-label="Close" onClick={() => dismiss(id)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </div>
  )
}
