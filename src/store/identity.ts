/**
 * The identity: the private keys that open a store. It is text, so that it can
 * stand in a file, an environment variable or a password manager:
 *
 * ```
 * # comments and empty lines
 * traceless-identity-1.<private key, base64url>
 * traceless-store-1.<store id>.<mark of its root key>
 * ```
 *
 * A line of the second kind pins a store: an identity that has some opens
 * those stores only.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import { runProgram } from '../process.js'
import { SecretValue } from '../secret.js'
import { given, readKeyFile, writeFileWhole, type Home, type Variables } from './home.js'
import { createKeyPair, keyIdOf, publicKeyOf, X25519_BYTES, type KeyPair } from './seal.js'

const PRIVATE = 'traceless-identity-1.'
const STORE = 'traceless-store-1.'
const PUBLIC = 'traceless-public-1.'

/** How long an identity command may take, in milliseconds. A password manager may have to ask a person. */
export const IDENTITY_COMMAND_TIMEOUT_MS = 120_000

/** One private key with its name. */
export interface IdentityKey extends KeyPair {
  readonly id: string
}

/** Private keys and the stores they are for. Dispose it as soon as what had to be opened is open. */
export interface Identity extends Disposable {
  readonly keys: readonly IdentityKey[]
  /** Mark of the root key by store id. Empty: any store. */
  readonly stores: ReadonlyMap<string, string>
}

/** Where an identity comes from. */
export type IdentitySource = 'file' | 'variable' | 'command'

/** Says where the identity of this home comes from, without looking at it. */
export function identitySource(variables: Variables): IdentitySource {
  if (given(variables, 'TRACELESS_IDENTITY_COMMAND') !== null) return 'command'
  return given(variables, 'TRACELESS_IDENTITY') === null ? 'file' : 'variable'
}

/**
 * Finds the identity: `TRACELESS_IDENTITY_COMMAND` (a program that prints it; words split as {@link splitCommand}
 * does, no shell), else `TRACELESS_IDENTITY` (the identity itself, or the path of its file), else the home's file.
 * During a rotation the home's next key is part of it.
 *
 * @returns `null` where the home has none.
 * @throws {@link Fault} `IDENTITY_INVALID` where there is one that cannot be used.
 */
export async function loadIdentity(home: Home, variables: Variables): Promise<Identity | null> {
  const command = given(variables, 'TRACELESS_IDENTITY_COMMAND')
  if (command !== null) return parseOwn(await identityFromCommand(command))
  const variable = given(variables, 'TRACELESS_IDENTITY')
  if (variable?.includes(PRIVATE) === true) return parseOwn(SecretValue.fromText(variable))
  if (variable !== null) {
    const text = await readKeyFile(variable)
    if (text === null) {
      throw new Fault('IDENTITY_INVALID', 'TRACELESS_IDENTITY names no file and is no identity.', {
        hint: 'It holds the path of an identity file, or the identity itself.',
      })
    }
    return parseOwn(text)
  }
  const [current, next] = [await readKeyFile(home.identity), await readKeyFile(home.nextIdentity)]
  if (current === null) return next === null ? null : parseOwn(next)
  return next === null ? parseOwn(current) : joinIdentities(parseOwn(current), parseOwn(next))
}

/**
 * The home's identity file, made if there is none. Two processes that come at once end with the same one.
 *
 * @returns the identity and whether this call made it.
 */
export async function createIdentityFile(home: Home): Promise<boolean> {
  const pair = await createKeyPair()
  try {
    return await saveIdentity(home.identity, { keys: [pair], stores: new Map() }, { replace: false })
  } finally {
    pair.privateKey[Symbol.dispose]()
  }
}

/** Writes an identity file. Returns false where `replace` is false and there is one. */
export async function saveIdentity(
  path: string,
  identity: { keys: readonly KeyPair[]; stores: ReadonlyMap<string, string> },
  { replace }: { replace: boolean },
): Promise<boolean> {
  const text = identityBytes(identity)
  try {
    return await writeFileWhole(path, text, { replace })
  } finally {
    text.fill(0)
  }
}

/**
 * Reads the text of an identity. Its lines may also be joined by blanks, as an environment variable may need.
 *
 * @throws {@link Fault} `IDENTITY_INVALID`; nothing of the text is repeated.
 */
export function parseIdentity(text: SecretValue): Identity {
  const keys: IdentityKey[] = []
  const stores = new Map<string, string>()
  const lines = text.use((bytes) => Buffer.from(bytes).toString('utf8')).split(/\r?\n/)
  for (const word of lines.flatMap((line) => (line.trim().startsWith('#') ? [] : line.split(/\s+/)))) {
    if (word === '') continue
    const store = /^traceless-store-1\.([0-9a-f]{32})\.([0-9a-f]{32})$/.exec(word)
    if (store !== null) stores.set(store[1] ?? '', store[2] ?? '')
    else keys.push(parsePrivateKey(word))
  }
  if (keys.length === 0) throw invalid()
  return {
    keys,
    stores,
    [Symbol.dispose]() {
      for (const { privateKey } of keys) privateKey[Symbol.dispose]()
    },
  }
}

/** The public key as text, for other people and machines. */
export function publicKeyText(publicKey: Uint8Array): string {
  return PUBLIC + Buffer.from(publicKey).toString('base64url')
}

/**
 * Reads what {@link publicKeyText} made.
 *
 * @throws {@link Fault} `REQUEST_INVALID`; the text is not repeated, because it may be a private key.
 */
export function parsePublicKey(text: string): Uint8Array {
  const bytes = text.startsWith(PUBLIC) ? decodeKey(text.slice(PUBLIC.length)) : null
  if (bytes === null) {
    throw new Fault('REQUEST_INVALID', 'This is not a public key.', {
      hint: `A public key starts with "${PUBLIC}"; "traceless identity export-public" prints it.`,
    })
  }
  return bytes
}

/**
 * Splits a command line into words: blanks separate, single and double quotes group, a backslash takes the next
 * character as it is (inside double quotes before `"` and `\` only). There are no variables, patterns or pipes.
 *
 * @throws {@link Fault} `IDENTITY_INVALID` for a quote that does not end, or no word at all.
 */
export function splitCommand(line: string): readonly [string, ...string[]] {
  const words: string[] = []
  const TOKEN = /\s+|((?:[^\s'"\\]|\\[^]|'[^']*'|"(?:[^"\\]|\\[^])*")+)/y
  for (let at = 0; at < line.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const token = TOKEN.exec(line)
    if (token === null)
      throw new Fault('IDENTITY_INVALID', 'TRACELESS_IDENTITY_COMMAND has a quote that does not end.')
    if (token[1] !== undefined) words.push(unquote(token[1]))
  }
  const [file, ...args] = words
  if (file === undefined) throw new Fault('IDENTITY_INVALID', 'TRACELESS_IDENTITY_COMMAND names no program.')
  return [file, ...args]
}

function unquote(word: string): string {
  return word.replace(
    /'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])/g,
    (_all, single: string | undefined, double: string | undefined, escaped: string | undefined) =>
      single ?? double?.replace(/\\(["\\])/g, '$1') ?? escaped ?? '',
  )
}

async function identityFromCommand(command: string): Promise<SecretValue> {
  const [file, ...args] = splitCommand(command)
  const ended = await runProgram(file, args, new Uint8Array(), { timeoutMs: IDENTITY_COMMAND_TIMEOUT_MS })
  if (ended.kind === 'missing') {
    throw new Fault('IDENTITY_INVALID', 'The program of TRACELESS_IDENTITY_COMMAND cannot be started.')
  }
  const text = new SecretValue(ended.stdout)
  ended.stdout.fill(0)
  if (ended.kind === 'done') return text
  text[Symbol.dispose]()
  const how =
    ended.status === null ? 'was ended by a signal or took too long' : `ended with status ${ended.status}`
  throw new Fault('IDENTITY_INVALID', `The program of TRACELESS_IDENTITY_COMMAND ${how}.`)
}

function parseOwn(text: SecretValue): Identity {
  try {
    return parseIdentity(text)
  } finally {
    text[Symbol.dispose]()
  }
}

/** Both identities as one; keys of the first come first. */
function joinIdentities(a: Identity, b: Identity): Identity {
  return {
    keys: [...a.keys, ...b.keys],
    stores: new Map([...b.stores, ...a.stores]),
    [Symbol.dispose]() {
      a[Symbol.dispose]()
      b[Symbol.dispose]()
    },
  }
}

function parsePrivateKey(word: string): IdentityKey {
  const bytes = word.startsWith(PRIVATE) ? decodeKey(word.slice(PRIVATE.length)) : null
  if (bytes === null) throw invalid()
  const privateKey = new SecretValue(bytes)
  bytes.fill(0)
  const publicKey = publicKeyOf(privateKey)
  return { id: keyIdOf(publicKey), publicKey, privateKey }
}

function identityBytes({
  keys,
  stores,
}: {
  keys: readonly KeyPair[]
  stores: ReadonlyMap<string, string>
}): Buffer {
  const parts: Buffer[] = [
    Buffer.from('# Traceless identity. Whoever has this file can read every secret of the store.\n'),
  ]
  for (const { publicKey, privateKey } of keys) {
    const encoded = privateKey.use((bytes) => Buffer.from(bytes).toString('base64url'))
    parts.push(Buffer.from(`# ${publicKeyText(publicKey)}\n${PRIVATE}${encoded}\n`))
  }
  for (const [store, mark] of stores) parts.push(Buffer.from(`${STORE}${store}.${mark}\n`))
  const text = Buffer.concat(parts)
  for (const part of parts) part.fill(0)
  return text
}

/** 32 bytes from their one base64url text; `null` for any other text. */
function decodeKey(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length === X25519_BYTES && bytes.toString('base64url') === text ? bytes : null
}

const invalid = (): Fault =>
  new Fault('IDENTITY_INVALID', 'The identity is not one that Traceless wrote.', {
    hint: `A line of it starts with "${PRIVATE}".`,
  })
