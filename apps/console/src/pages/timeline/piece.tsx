import { memo, useEffect, useRef, useState } from 'react'
import type { Piece } from '../../data/months'
import { monthName } from '../../data/time'
import { PostView } from './post'

/** A guess of a post's height before its piece has been on screen, in px. */
const GUESS = 190
/** How far from the screen a piece is made ready, in px. */
const NEAR = '1200px 0px'

/**
 * A piece of the timeline. Far from the screen it is an empty box of its last height and asks the pod for nothing, so
 * thousands of posts cost what a few dozen do. One that holds the keyboard focus stays.
 */
export const PieceView = memo(function PieceView(props: { piece: Piece; fresh: ReadonlySet<string>; startsNear: boolean }) {
  const { piece } = props
  const box = useRef<HTMLDivElement>(null)
  const height = useRef<number | null>(null)
  const [near, setNear] = useState(props.startsNear)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (!entry) return
        if (entry.isIntersecting) setNear(true)
        else if (!element.contains(document.activeElement)) {
          height.current = element.offsetHeight
          setNear(false)
        }
      },
      { rootMargin: NEAR },
    )
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  return (
    <section className="piece" aria-label={piece.heads ? undefined : `${monthName(piece.month)}, continued`} aria-labelledby={piece.heads ? `month-${piece.month}` : undefined}>
      {piece.heads && (
        <h2 className="month" id={`month-${piece.month}`} tabIndex={-1}>
          {monthName(piece.month)}
        </h2>
      )}
      <div ref={box} style={near ? undefined : { height: height.current ?? piece.posts.length * GUESS }}>
        {near && piece.posts.map((id) => <PostView key={id} id={id} arrived={props.fresh.has(id)} />)}
      </div>
    </section>
  )
})
