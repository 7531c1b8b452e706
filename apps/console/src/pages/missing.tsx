import { Link } from '../router'

export function MissingPage() {
  return (
    <div className="page narrow empty">
      <h1>Nothing is here</h1>
      <p>This address belongs to no page of the console.</p>
      <Link to="/" className="button">
        To the timeline
      </Link>
    </div>
  )
}
