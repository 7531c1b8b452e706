// Delegations, invocations and chains of iso-ucan, judged by this crate, and those of this crate, judged by iso-ucan: both mint the same cases.
// Every byte of some tokens is changed as well. RHIZOME_INTEROP names the binary of `examples/interop.rs`.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { EdDSASigner } from 'iso-signatures/signers/eddsa.js'
import { ECDSASigner } from 'iso-signatures/signers/ecdsa.js'
import { ES256KSigner } from 'iso-signatures/signers/es256k.js'
import { verifier as ecdsa } from 'iso-signatures/verifiers/ecdsa.js'
import { verifier as eddsa } from 'iso-signatures/verifiers/eddsa.js'
import { Resolver } from 'iso-signatures/verifiers/resolver.js'
import { Delegation } from 'iso-ucan/delegation'
import { encode, sign } from 'iso-ucan/envelope'
import { Invocation } from 'iso-ucan/invocation'

const part = '/pod/tuple'
const read = '/pod/tuple/read'
const policy = [
  ['==', '.album', 'garibaldi'],
  ['<=', '.size', 1_000_000],
  ['>=', '.size', 1],
  ['<', '.size', 1_000_001],
  ['>', '.size', 0],
  ['like', '.name', '*.jpg'],
  [
    'or',
    [
      ['==', '.of.kind', 'photo'],
      [
        'and',
        [
          ['==', '.of.kind', 'film'],
          ['==', '.of.silent', true],
        ],
      ],
    ],
  ],
]
const quoted = [['==', '.of["kind"]', 'photo']]
const quotedName = 'a quoted name in a selector'

const verifierResolver = new Resolver({ ...eddsa, ...ecdsa })
const now = Math.floor(Date.now() / 1000)
const base64 = (bytes) => Buffer.from(bytes).toString('base64')
const bytesOf = (text) => new Uint8Array(Buffer.from(text, 'base64'))

function ours(command, input) {
  const binary = process.env.RHIZOME_INTEROP
  assert.ok(binary, 'RHIZOME_INTEROP names the binary of examples/interop.rs')
  const { status, stdout, stderr, error } = spawnSync(binary, [command], { input, maxBuffer: 1 << 28 })
  assert.equal(status, 0, String(error ?? stderr))
  return JSON.parse(stdout)
}

/** The verdicts of this crate. */
const judgedHere = (cases) => ours('judge', JSON.stringify(cases))

/** Those of iso-ucan. */
async function judgedThere(cases) {
  const verdicts = {}
  for (const it of cases) {
    verdicts[it.name] = await judge(it).then(
      () => 'allowed',
      (error) => `refused: ${error.message}`,
    )
  }
  return verdicts
}

async function judge({ delegation, proofs, invocation }) {
  const known = (token) => Delegation.from({ bytes: bytesOf(token), verifierResolver })
  if (delegation) return (await known(delegation)).validate({ verifierResolver })
  const chain = await Promise.all(proofs.map(known))
  await Invocation.from({
    bytes: bytesOf(invocation),
    verifierResolver,
    resolveProof: async (cid) => {
      const proof = chain.find((proof) => proof.cid.equals(cid))
      assert.ok(proof, 'a proof is lacking')
      return proof
    },
  })
}

/** WebCrypto's signatures of P-256 have any s. Those in the upper half are refused here, as they are mirrored ones: so it is tried until s is low, or high. */
async function signed(spec, signer, payload, low = true) {
  for (;;) {
    const { signature, signaturePayload } = await sign({ spec, signer, payload })
    const s = signature[32]
    if (signer.signatureType !== 'ES256' || (low ? s < 0x7f : s > 0x7f)) return encode({ signature, signaturePayload })
  }
}

/** The cases of `examples/interop.rs`. Envelopes are signed directly: iso-ucan makes no invocation that it would refuse. */
async function mint() {
  const people = [
    await EdDSASigner.generate(),
    await ECDSASigner.generate('P-256'),
    ES256KSigner.generate(),
    await EdDSASigner.generate(),
  ]
  const cases = []
  const from = (at, cmd, more = {}) => ({
    iss: people[at].did,
    aud: people[(at + 1) % 4].did,
    sub: people[0].did,
    cmd,
    pol: [],
    nonce: crypto.getRandomValues(new Uint8Array(12)),
    exp: now + 3600,
    ...more,
  })
  const delegation = async (name, at, payload) => {
    const token = base64(await signed('dlg', people[at], payload))
    cases.push({ name, verdict: 'allowed', delegation: token })
  }
  const chain = async (name, verdict, payloads, cmd, size = 12) => {
    const proofs = []
    for (const [at, payload] of payloads.entries()) proofs.push(await signed('dlg', people[at], payload))
    const prf = []
    for (const bytes of proofs) prf.push((await Delegation.fromString(base64(bytes), { now: 0 })).cid)
    const payload = {
      iss: people[payloads.length].did,
      aud: people[0].did,
      sub: people[0].did,
      cmd,
      args: { album: 'garibaldi', size, name: 'lake.jpg', of: { kind: 'photo' } },
      prf,
      nonce: crypto.getRandomValues(new Uint8Array(12)),
      exp: now + 300,
    }
    const invocation = await signed('inv', people[payloads.length], payload)
    cases.push({ name, verdict, proofs: proofs.map(base64), invocation: base64(invocation) })
  }

  for (const [at, curve] of ['Ed25519', 'P-256', 'secp256k1'].entries()) {
    await delegation(`delegation, ${curve}`, at, from(at, read, { pol: policy }))
  }
  const optional = { exp: null, nbf: now - 60, meta: { why: 'because' } }
  await delegation('delegation without an end, with what is optional', 0, from(0, '/', optional))
  await delegation('delegation of any subject', 1, from(1, part, { sub: null }))

  await chain('no proof', 'allowed', [], read)
  for (const [n, name] of ['one proof', 'two proofs', 'three proofs'].entries()) {
    const payloads = [0, 1, 2].slice(0, n + 1).map((at) => from(at, part, { pol: policy }))
    await chain(name, 'allowed', payloads, read, 1_000_000)
    await chain(`${name}, arguments outside the policy`, 'MatchError', payloads, read, 1_000_001)
  }
  await chain('two proofs, one of any subject', 'allowed', [from(0, part), from(1, part, { sub: null })], read)

  await chain('invocation widens the command', 'CommandEscalation', [from(0, read)], part)
  await chain('invocation widens a narrowed command', 'CommandEscalation', [from(0, part), from(1, read)], part)
  await chain('proof widens the command', 'CommandEscalation', [from(0, read), from(1, part), from(2, part)], read)
  await chain('expired proof', 'Expired', [from(0, part, { exp: now - 60 })], read)
  await chain('proof of later', 'TooEarly', [from(0, part, { nbf: now + 60 })], read)
  await chain('proof for somebody else', 'InvalidAudience', [from(0, part), from(2, part)], read)
  await chain('proof of another subject', 'InvalidSubject', [from(0, part), from(1, part, { sub: people[3].did })], read)
  await chain(quotedName, 'allowed', [from(0, part, { pol: quoted })], read)

  const mirrored = await signed('dlg', people[1], from(1, read), false)
  return { cases, mirrored: { name: 'P-256 with a high s', delegation: base64(mirrored) } }
}

/** A delegation of each curve, and an invocation with its proof, with each of their bytes changed in turn, by one bit. */
function flipped(cases) {
  const flips = []
  const all = (name, token, make) => {
    const bytes = bytesOf(token)
    const tag = Buffer.from(bytes).indexOf('ucan/')
    for (const at of bytes.keys()) {
      bytes[at] ^= 1 << at % 8
      const inTag = at >= tag && at < tag + 4
      flips.push({ ...make(base64(bytes)), name: `${name}, byte ${at} flipped`, inTag })
      bytes[at] ^= 1 << at % 8
    }
  }
  for (const it of cases) {
    if (it.name.startsWith('delegation, ')) all(it.name, it.delegation, (delegation) => ({ delegation }))
    if (it.name !== 'one proof') continue
    all('invocation', it.invocation, (invocation) => ({ ...it, invocation }))
    all('proof', it.proofs[0], (proof) => ({ ...it, proofs: [proof] }))
  }
  return flips
}

/** What iso-ucan says for each kind of error. */
const says = {
  allowed: /^allowed$/,
  CommandEscalation: /command mismatch/,
  Expired: /expiration must be in the future/,
  InvalidAudience: /principal alignment mismatch/,
  InvalidSubject: /subject alignment mismatch/,
  MatchError: /invalid arguments/,
  TooEarly: /not valid yet/,
}

const minted = await mint()
const mintedHere = ours('mint')

test('both mint the same cases', () => {
  const list = (cases) => cases.map(({ name, verdict }) => ({ name, verdict }))
  assert.deepEqual(list(minted.cases), list(mintedHere))
})

test('what iso-ucan mints is judged here as it should be', () => {
  const verdicts = judgedHere(minted.cases)
  for (const { name, verdict } of minted.cases) assert.equal(verdicts[name], verdict, name)
})

test('what is minted here iso-ucan judges as it should be', async () => {
  const verdicts = await judgedThere(mintedHere)
  // it passes over quoted names, so what they select is not what is meant
  const read = mintedHere.filter(({ name }) => name !== quotedName)
  for (const { name, verdict } of read) assert.match(verdicts[name], says[verdict], name)
})

test('iso-ucan does not read quoted names, and refuses', async () => {
  const its = mintedHere.filter(({ name }) => name === quotedName)
  assert.match((await judgedThere(its))[quotedName], says.MatchError)
})

test('iso-ucan mints high signatures of P-256, and they are refused here', async () => {
  const { mirrored } = minted
  assert.equal(judgedHere([mirrored])[mirrored.name], 'InvalidSignature')
  assert.equal((await judgedThere([mirrored]))[mirrored.name], 'allowed')
})

test('a flipped byte anywhere is refused here', () => {
  const flips = flipped(minted.cases)
  assert.ok(flips.length > 1000)
  const verdicts = judgedHere(flips)
  for (const { name } of flips) assert.match(verdicts[name], /^[A-Z]/, name)
})

test('a flipped byte anywhere but in one word is refused by iso-ucan', async () => {
  const flips = flipped(mintedHere)
  const verdicts = await judgedThere(flips)
  // it does not look at the word `ucan` in the tag, and verifies what the tag should be
  for (const { name, inTag } of flips) assert.equal(verdicts[name] === 'allowed', inTag, `${name}: ${verdicts[name]}`)
})
