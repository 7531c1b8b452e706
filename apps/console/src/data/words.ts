/** Kinds of things as people say them. Unknown kinds read as they are. */
const KINDS: Record<string, [one: string, many: string]> = {
  profile: ['profile', 'profiles'],
  post: ['post', 'posts'],
  reply: ['reply', 'replies'],
  boost: ['boost', 'boosts'],
  media: ['picture or video', 'pictures and videos'],
  like: ['like', 'likes'],
  bookmark: ['bookmark', 'bookmarks'],
  emoji: ['emoji', 'emoji'],
  'poll-option': ['poll answer', 'poll answers'],
  follow: ['account followed', 'accounts followed'],
  follower: ['follower', 'followers'],
  conversation: ['conversation', 'conversations'],
  message: ['message', 'messages'],
  contact: ['contact', 'contacts'],
  'contact-group': ['group of contacts', 'groups of contacts'],
  calendar: ['calendar', 'calendars'],
  event: ['event', 'events'],
  task: ['task', 'tasks'],
  journal: ['journal entry', 'journal entries'],
  mail: ['mail', 'mails'],
  'mail-attachment': ['attachment', 'attachments'],
  feed: ['feed', 'feeds'],
  'feed-entry': ['entry of a feed', 'entries of feeds'],
  'feed-link': ['page among feeds', 'pages among feeds'],
  note: ['note', 'notes'],
  block: ['block', 'blocks'],
  'note-file': ['file in a note', 'files in notes'],
  track: ['track', 'tracks'],
  route: ['route', 'routes'],
  waypoint: ['waypoint', 'waypoints'],
  row: ['row', 'rows'],
  album: ['album', 'albums'],
  watched: ['video watched', 'videos watched'],
  searched: ['search', 'searches'],
  visited: ['visit', 'visits'],
  located: ['place on a way', 'places on a way'],
  moved: ['way', 'ways'],
  subscribed: ['subscription', 'subscriptions'],
  listed: ['video in a playlist', 'videos in playlists'],
  book: ['book', 'books'],
  play: ['play', 'plays'],
  highlight: ['highlight', 'highlights'],
  record: ['measurement', 'measurements'],
  workout: ['workout', 'workouts'],
  day: ['day', 'days'],
  playlist: ['playlist', 'playlists'],
  comment: ['comment', 'comments'],
  vote: ['vote', 'votes'],
  checkin: ['check-in', 'check-ins'],
  file: ['file', 'files'],
  photo: ['photo', 'photos'],
  person: ['person', 'people'],
  run: ['import', 'imports'],
  origin: ['source of imports, with what it said', 'sources of imports, with what they said'],
  conflict: ['value to decide about', 'values to decide about'],
}

export function kindWords(kind: string, count: number): string {
  const words = KINDS[kind]
  return words ? words[count === 1 ? 0 : 1] : kind
}

const IMPORTERS: Record<string, string> = {
  bluesky: 'Bluesky repository',
  vcard: 'vCards',
  icalendar: 'Calendar (iCalendar)',
  mail: 'Mail',
  feeds: 'Feeds',
  'google-keep': 'Google Keep',
  evernote: 'Evernote notebooks',
  'day-one': 'Day One journals',
  roam: 'Roam graph',
  gpx: 'GPX tracks',
  wordpress: 'WordPress blog',
  medium: 'Medium stories',
  substack: 'Substack posts',
  markdown: 'Markdown notes',
  notion: 'Notion workspace',
  rhizome: 'Rhizome export',
  mastodon: 'Mastodon archive',
  table: 'Table of records',
  tuples: 'File of tuples',
  takeout: 'Google Takeout',
  kindle: 'Kindle clippings',
  'apple-health': 'Apple Health',
  facebook: 'Facebook download',
  instagram: 'Instagram download',
  signal: 'Signal conversations',
  telegram: 'Telegram export',
  twitter: 'Twitter archive',
  whatsapp: 'WhatsApp conversations',
  github: 'GitHub objects',
  goodreads: 'Goodreads library',
  letterboxd: 'Letterboxd export',
  netflix: 'Netflix viewing history',
  reddit: 'Reddit data request',
  spotify: 'Spotify data',
  storygraph: 'StoryGraph library',
  swarm: 'Swarm check-ins',
}

export function importerWords(importer: string | undefined): string {
  return importer === undefined ? 'An export' : (IMPORTERS[importer] ?? importer)
}

export function confidenceWords(confidence: number): string {
  const percent = `${Math.round(confidence * 100)} %`
  if (confidence >= 0.9) return `recognised for sure (${percent})`
  if (confidence >= 0.6) return `probably this (${percent})`
  return `a guess (${percent})`
}
