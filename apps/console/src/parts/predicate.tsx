import { Fragment } from 'react'
import { MAX_CONSTANT, theirs } from '../data/apps'
import { isFault, type Predicate, readPredicate } from '../data/predicate'

/**
 * A predicate in words, with what its author chose (names and values) set apart from ours: “everything whose <code>photo-album</code> is
 * <q>garibaldi</q>”. One that is not understood here is shown as it is written.
 */
export function PredicateView({ where }: { where: string }) {
  const read = readPredicate(where)
  if (isFault(read)) {
    return (
      <>
        Everything that matches <code className="theirs">{theirs(where, 400)}</code>
      </>
    )
  }
  return (
    <>
      Everything whose <Part of={read} />
    </>
  )
}

function Part({ of: part }: { of: Predicate }) {
  switch (part.kind) {
    case 'is':
      return (
        <>
          <Attribute name={part.attribute} /> is <Constant value={part.value} />
        </>
      )
    case 'most':
    case 'least':
      return (
        <>
          <Attribute name={part.attribute} /> is at {part.kind} {part.value}
        </>
      )
    default:
      return part.parts.map((each, at) => (
        <Fragment key={at}>
          {at > 0 && (part.kind === 'all' ? ' and ' : ' or ')}
          {'parts' in each ? (
            <>
              (<Part of={each} />)
            </>
          ) : (
            <Part of={each} />
          )}
        </Fragment>
      ))
  }
}

function Attribute({ name }: { name: string }) {
  return <code className="theirs">{theirs(name, MAX_CONSTANT)}</code>
}

function Constant({ value }: { value: Extract<Predicate, { kind: 'is' }>['value'] }) {
  if (typeof value === 'string') return <q className="theirs">{theirs(value, MAX_CONSTANT)}</q>
  return <code className="theirs">{typeof value === 'object' ? value.ref : String(value)}</code>
}
