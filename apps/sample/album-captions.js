import { ask, comeBack } from './rhizome-connect.js'

/** What this page would like to have. The person may give less: one of the two, or only an album of it. */
const SCOPE = [
  { where: 'is-photo: true', can: 'write', why: 'To show your photos, and to write the captions that you type.' },
  { where: 'is-person: true', can: 'read', why: 'To offer names while you type.' },
]

const PHOTOS = `[:find ?photo ?title ?caption ?file
 :where [?photo "is-photo" true]
        [(get-else $ ?photo "photo-title" "") ?title]
        [(get-else $ ?photo "caption" "") ?caption]
        [(get-else $ ?photo "photo-file" "") ?file]
 :limit 300]`
const NAMES = '[:find ?name :where [?e "is-person" true] [?e "name" ?name]]'

const at = (id) => document.getElementById(id)
const show = (id, isShown) => (at(id).hidden = !isShown)
/** Text of others is only ever text: `textContent`, never `innerHTML`. */
function element(name, text = '', className = '') {
  const made = document.createElement(name)
  made.textContent = text
  made.className = className
  return made
}

at('pod').value = localStorage.getItem('pod') ?? at('pod').value
at('connect').addEventListener('submit', (event) => {
  event.preventDefault()
  localStorage.setItem('pod', at('pod').value)
  ask({ pod: at('pod').value, name: 'Album captions', scope: SCOPE, days: 30 }).catch(disconnected)
})

comeBack().then((pod) => (pod ? connected(pod) : disconnected(null)), disconnected)

function disconnected(why) {
  show('album', false)
  for (const id of ['photos', 'names', 'got', 'refusals']) at(id).replaceChildren()
  show('start', true)
  at('why').textContent = why === null ? '' : (why.message ?? why)
}

function connected(pod) {
  show('start', false)
  show('album', true)
  at('where').textContent = pod.url
  at('until').textContent = pod.untilMs === null ? 'until you take it back' : `until ${new Date(pod.untilMs).toLocaleDateString()}`
  at('got').replaceChildren(...pod.asked.map((asked) => outcome(asked, pod.scopes)))
  show('refused', false)
  pod.onEnd = disconnected
  pod.onConnection = (isThere) => show('lost', !isThere)
  at('disconnect').onclick = () => pod.leave().catch(refused)
  const cards = new Map()
  const power = pod.scopes.find(({ where }) => where.includes('is-photo'))?.can
  pod.live(PHOTOS, (rows) => drawPhotos(pod, power, cards, rows), refused)
  pod.live(NAMES, (rows) => at('names').replaceChildren(...rows.map(([name]) => Object.assign(element('option'), { value: name }))), refused)
}

/** One line: what was asked for, and what came of it. A pod writes what it gave as what was asked with more conditions behind. */
function outcome(asked, given) {
  const found = given.find(({ where }) => where.includes(asked.where))
  const line = element('li')
  const less = found && (found.where !== asked.where || found.can !== asked.can)
  line.append(element('code', asked.where), ` (${asked.can}): `)
  if (!found) line.append(element('b', 'refused', 'refused'))
  else if (less) line.append(element('b', 'less: '), element('code', found.where), ` (${found.can})`)
  else line.append(element('b', 'given'))
  return line
}

function drawPhotos(pod, power, cards, rows) {
  at('none').hidden = rows.length > 0
  at('count').textContent = rows.length === 1 ? '1 photo' : `${rows.length} photos`
  const seen = new Set(rows.map(([id]) => id))
  for (const [id, card] of cards) {
    if (seen.has(id)) continue
    card.box.remove()
    cards.delete(id)
  }
  for (const [id, title, caption, file] of rows) {
    const card = cards.get(id) ?? newCard(pod, power, id)
    cards.set(id, card)
    card.title.textContent = title || 'Untitled'
    card.field.setAttribute('aria-label', `Caption of ${title || 'an untitled photo'}`)
    // not under somebody's fingers
    if (!card.isBusy) card.field.value = caption
    if (file.blob && card.file !== file.blob) {
      card.file = file.blob
      card.image.src = pod.fileUrl(file.blob)
      card.image.hidden = false
    }
  }
  const order = [...cards.values()].sort((a, b) => a.title.textContent.localeCompare(b.title.textContent))
  order.forEach(({ box }, place) => at('photos').children[place] !== box && at('photos').insertBefore(box, at('photos').children[place] ?? null))
}

const PAUSE_MS = 400

function newCard(pod, power, id) {
  const [box, image, title, field, said] = [element('li'), element('img'), element('h3'), element('input'), element('p', '', 'said')]
  Object.assign(image, { alt: '', hidden: true, loading: 'lazy' })
  field.setAttribute('list', 'names')
  field.readOnly = power === 'read'
  field.placeholder = power === 'read' ? 'no caption' : 'What is to be seen here?'
  said.setAttribute('role', 'status')
  box.append(image, title, field, said)
  const card = { box, image, title, field, file: null, isBusy: false }
  let timer
  const save = async () => {
    const changes = [{ assert: { entity: id, attribute: 'caption', value: field.value } }]
    try {
      if (power === 'write') await pod.tx(changes)
      else await pod.propose(changes, 'A caption')
      said.textContent = power === 'write' ? 'Saved' : 'Suggested'
    } catch (error) {
      said.textContent = 'Not saved'
      refused(error)
    }
    card.isBusy = false
  }
  field.addEventListener('input', () => {
    card.isBusy = true
    said.textContent = ''
    clearTimeout(timer)
    timer = setTimeout(save, PAUSE_MS)
  })
  return card
}

function refused(error) {
  show('refused', true)
  at('refusals').append(element('li', error.message))
}
