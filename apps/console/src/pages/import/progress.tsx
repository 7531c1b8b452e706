import { bytes } from '../../shell/status-bar'

export function Progress(props: {
  title: string
  phase: string
  done: number
  total: number | null
  unit: 'bytes' | 'items'
  onCancel: () => void
}) {
  const { done, total, unit } = props
  const show = (count: number) => (unit === 'bytes' ? bytes(count) : count.toLocaleString())
  const words = total ? `${show(done)} of ${show(total)}` : done > 0 ? show(done) : ''
  return (
    <section className="progress" aria-label={props.title}>
      <h2>{props.title}</h2>
      <progress value={total ? done : undefined} max={total ?? undefined} aria-label={props.title} />
      <p className="quiet progress-words">
        <span>{props.phase}</span>
        <span>{words}</span>
      </p>
      <button type="button" className="button" onClick={props.onCancel}>
        Cancel
      </button>
    </section>
  )
}
