import { useEntities } from '../../data/entities'
import { readPollOption } from '../../data/social'

/** The answers of a poll with their shares. It is over, or was asked elsewhere: nobody votes here. */
export function Poll({ ids }: { ids: string[] }) {
  const known = useEntities(ids)
  const options = ids.flatMap((id, at) => {
    const state = known[at]?.state
    return state ? [readPollOption(id, state)] : []
  })
  const total = options.reduce((sum, each) => sum + each.votes, 0)
  return (
    <ul className="poll" aria-label="Poll">
      {options.map(({ id, name, votes }) => {
        const share = total > 0 ? votes / total : 0
        return (
          <li key={id}>
            <span className="poll-share" style={{ width: `${share * 100}%` }} aria-hidden="true" />
            <span>{name}</span>
            <span className="count">
              {Math.round(share * 100)} % · {votes.toLocaleString()}
            </span>
          </li>
        )
      })}
    </ul>
  )
}
