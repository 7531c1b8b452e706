import { bytes } from '../../data/exchange'

export function Progress(props: {
  title: string
  phase: string
  done: number
  total: number | null
  records?: number
  onCancel: () => void
}) {
  const { done, total, records = 0 } = props
  const size = total ? `${bytes(done)} of ${bytes(total)}` : done > 0 ? bytes(done) : ''
  const words = records > 0 ? `${records.toLocaleString()} records · ${size}` : size
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
