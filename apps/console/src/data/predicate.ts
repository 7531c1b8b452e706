/**
 * Predicates as people write them (`is-photo: true && photo-album: "garibaldi"`): read as the pod reads them, said in plain words,
 * and as a query for what matches now.
 */

export type Constant = boolean | number | string | { ref: string }

export type Predicate =
  | { kind: 'is'; attribute: string; value: Constant }
  | { kind: 'most' | 'least'; attribute: string; value: number }
  | { kind: 'all' | 'any'; parts: Predicate[] }

/** What is wrong, and where: an offset into the text. */
export interface PredicateFault {
  at: number
  what: string
}

class Fault extends Error {
  readonly at: number
  constructor(at: number, what: string) {
    super(what)
    this.at = at
  }
}

const MAX_DEPTH = 16
const MAX_CONDITIONS = 64
const NAME = /^[\p{Alphabetic}\p{N}\-_/.]+/u

export function readPredicate(text: string): Predicate | PredicateFault {
  try {
    return new Parser(text).whole()
  } catch (cause) {
    if (cause instanceof Fault) return { at: cause.at, what: cause.message }
    throw cause
  }
}

export function isFault(read: Predicate | PredicateFault): read is PredicateFault {
  return 'what' in read
}

class Parser {
  readonly #text: string
  #at = 0
  #conditions = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): Predicate {
    const found = this.#any(0)
    if (this.#rest() !== '') this.#fail('expected && or ||, or the end')
    return found
  }

  #fail(what: string, at = this.#at): never {
    throw new Fault(at, what)
  }

  #rest(): string {
    const rest = this.#text.slice(this.#at)
    const trimmed = rest.trimStart()
    this.#at += rest.length - trimmed.length
    return trimmed
  }

  #eat(what: string): boolean {
    const there = this.#rest().startsWith(what)
    if (there) this.#at += what.length
    return there
  }

  #word(): string {
    const word = NAME.exec(this.#rest())?.[0] ?? ''
    this.#at += word.length
    return word
  }

  #any(depth: number): Predicate {
    const parts = [this.#all(depth)]
    while (this.#eat('||')) parts.push(this.#all(depth))
    return join(parts, 'any')
  }

  #all(depth: number): Predicate {
    const parts = [this.#one(depth)]
    while (this.#eat('&&')) parts.push(this.#one(depth))
    return join(parts, 'all')
  }

  #one(depth: number): Predicate {
    if (this.#eat('(')) {
      if (depth === MAX_DEPTH) this.#fail('these parentheses are too deep')
      const inner = this.#any(depth + 1)
      if (!this.#eat(')')) this.#fail('expected ), && or ||')
      return inner
    }
    if (this.#rest().startsWith('!')) this.#fail('there is no “not”: say what a thing is, not what it is not')
    const attribute = this.#word()
    if (attribute === '') this.#fail('expected an attribute, such as is-photo')
    this.#conditions += 1
    if (this.#conditions > MAX_CONDITIONS) this.#fail(`at most ${MAX_CONDITIONS} conditions`)
    if (this.#eat(':')) return { kind: 'is', attribute, value: this.#constant() }
    if (this.#eat('<=')) return { kind: 'most', attribute, value: this.#integer() }
    if (this.#eat('>=')) return { kind: 'least', attribute, value: this.#integer() }
    if (this.#eat('<')) return { kind: 'most', attribute, value: this.#integer() - 1 }
    if (this.#eat('>')) return { kind: 'least', attribute, value: this.#integer() + 1 }
    this.#fail('expected a colon, or <, <=, >, >=, after the attribute')
  }

  #integer(): number {
    this.#rest()
    const start = this.#at
    const minus = this.#eat('-')
    const word = this.#word()
    const number = Number(word)
    if (!/^\d+$/.test(word) || number >= Number.MAX_SAFE_INTEGER) this.#fail('expected a whole number', start)
    return minus ? -number : number
  }

  #constant(): Constant {
    const rest = this.#rest()
    if (rest.startsWith('"')) return this.#quoted()
    if (/^[0-9-]/.test(rest)) return this.#integer()
    const start = this.#at
    const word = this.#word()
    if (word === 'rz' && this.#eat(':')) {
      const id = `rz:${this.#word()}`
      if (!/^rz:[a-z2-7]{39}$/.test(id)) this.#fail('this is the name of no entity', start)
      return { ref: id }
    }
    if (word === '') this.#fail('expected true, false, a number, a word, or text in quotes')
    if (word === 'true' || word === 'false') return word === 'true'
    return word
  }

  #quoted(): string {
    const start = this.#at
    let out = ''
    for (let at = start + 1; at < this.#text.length; at++) {
      const c = this.#text.charAt(at)
      if (c === '"') {
        this.#at = at + 1
        return out
      }
      if (c !== '\\') {
        out += c
        continue
      }
      const next = this.#text.charAt(++at)
      const escaped = { '"': '"', '\\': '\\', n: '\n', t: '\t' }[next]
      if (escaped === undefined) this.#fail('expected \\", \\\\, \\n or \\t', at - 1)
      out += escaped
    }
    this.#fail('this text has no end: a quote is missing', start)
  }
}

function join(parts: Predicate[], kind: 'all' | 'any'): Predicate {
  const [only] = parts
  return parts.length === 1 && only ? only : { kind, parts }
}

/** `is-photo is true and photo-album is “garibaldi”`: to be read after “everything whose”. */
export function plainly(predicate: Predicate): string {
  switch (predicate.kind) {
    case 'is':
      return `${predicate.attribute} is ${constantWords(predicate.value)}`
    case 'most':
      return `${predicate.attribute} is at most ${predicate.value}`
    case 'least':
      return `${predicate.attribute} is at least ${predicate.value}`
    default: {
      const inner = predicate.parts.map((part) => ('parts' in part ? `(${plainly(part)})` : plainly(part)))
      return inner.join(predicate.kind === 'all' ? ' and ' : ' or ')
    }
  }
}

/** The words for a predicate of the pod's; its own text if it is of a kind that is not known here. */
export function predicateWords(text: string): string {
  const read = readPredicate(text)
  return isFault(read) ? text : `Everything whose ${plainly(read)}`
}

function constantWords(value: Constant): string {
  if (typeof value === 'string') return `“${value}”`
  return typeof value === 'object' ? value.ref : String(value)
}

/** The clauses of a query, over `?e`, for what matches now. */
export function clauses(predicate: Predicate): string {
  let variables = 0
  const clause = (part: Predicate): string => {
    switch (part.kind) {
      case 'is':
        return `[?e ${JSON.stringify(part.attribute)} ${JSON.stringify(typeof part.value === 'object' ? part.value.ref : part.value)}]`
      case 'most':
      case 'least': {
        const v = `?v${variables++}`
        // A bound holds for whole numbers alone: a query would compare times and fractions too, and those are neither even nor odd.
        return `[?e ${JSON.stringify(part.attribute)} ${v}] [(${part.kind === 'most' ? '<=' : '>='} ${v} ${part.value})] (or [(even? ${v})] [(odd? ${v})])`
      }
      case 'all':
        return part.parts.map(clause).join(' ')
      case 'any':
        return `(or-join [?e] ${part.parts.map((each) => `(and ${clause(each)})`).join(' ')})`
    }
  }
  return clause(predicate)
}

/** Attributes that a predicate is about. */
export function attributes(predicate: Predicate): string[] {
  return 'parts' in predicate ? predicate.parts.flatMap(attributes) : [predicate.attribute]
}
