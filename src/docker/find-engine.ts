/**
 * Which engine or builder is meant, found as Docker's client finds it:
 * `DOCKER_HOST`, else the context of `DOCKER_CONTEXT` or of `config.json`, else
 * the local socket (https://docs.docker.com/engine/manage-resources/contexts/).
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../errors.js'
import { sshAddress, tcpAddress, tlsAddress, unixAddress, type Address, type TlsMaterial } from './address.js'
import { configFolder, readConfig } from './docker-config.js'
import { sshPlace } from './ssh.js'

/** Variables of the process. */
export type Variables = Readonly<Record<string, string | undefined>>

const DEFAULT_SOCKET = '/var/run/docker.sock'

/** Ports of Docker: https://www.iana.org/assignments/service-names-port-numbers/service-names-port-numbers.xhtml?search=docker */
const PLAIN_PORT = 2375
const TLS_PORT = 2376

const NO_MATERIAL: TlsMaterial = { ca: undefined, cert: undefined, key: undefined }

/**
 * Where the engine is.
 *
 * @param host - as in `DOCKER_HOST`, and before it.
 * @throws {@link Fault} `REQUEST_INVALID` for an address, a context or certificates that make no sense.
 */
export async function engineAddress(host: string | undefined, variables: Variables): Promise<Address> {
  const given = host ?? variables['DOCKER_HOST'] ?? ''
  if (given !== '') {
    const verify = (variables['DOCKER_TLS_VERIFY'] ?? '') !== ''
    const folder = variables['DOCKER_CERT_PATH'] ?? ''
    return addressOf(given, {
      secure: verify,
      // A folder that somebody named must hold all three; Docker's own may hold what it likes.
      material: () =>
        folder === '' ? readMaterial(configFolder(variables), false) : readMaterial(folder, true),
    })
  }
  const context =
    variables['DOCKER_CONTEXT'] ?? (await readConfig(configFolder(variables))).currentContext ?? ''
  return context === '' || context === 'default'
    ? unixAddress(DEFAULT_SOCKET)
    : contextAddress(context, configFolder(variables))
}

/**
 * Where a BuildKit daemon is.
 *
 * @param address - `unix:///path` or `tcp://host:port`, as in `BUILDKIT_HOST`.
 * @param tlsFolder - a folder with `ca.pem`, `cert.pem` and `key.pem`, as buildctl's `--tlsdir`; empty text for none.
 */
export async function builderAddress(address: string, tlsFolder: string): Promise<Address> {
  if (!/^(?:unix|tcp):\/\//.test(address))
    throw unknownAddress('the builder', 'unix:///path or tcp://host:port')
  return addressOf(address, {
    secure: tlsFolder !== '',
    material: () => readMaterial(tlsFolder, true),
  })
}

interface Security {
  /** Whether TLS is wanted whatever the address looks like. */
  readonly secure: boolean
  readonly material: () => Promise<TlsMaterial>
}

async function addressOf(text: string, { secure, material }: Security): Promise<Address> {
  if (text.startsWith('unix://')) return unixAddress(text.slice('unix://'.length) || DEFAULT_SOCKET)
  // Docker's client takes a bare host for one of tcp.
  const full = text.includes('://') ? text : `tcp://${text}`
  const url = URL.canParse(full) ? new URL(full) : undefined
  const host = url?.hostname.replace(/^\[(.*)\]$/, '$1') ?? ''
  if (url !== undefined && host !== '') {
    if (url.protocol === 'ssh:') {
      const place = sshPlace(url)
      if (place !== undefined) return sshAddress(place)
    } else if (/^(?:tcp|https?):$/.test(url.protocol) && url.username === '' && url.password === '') {
      const encrypted = secure || url.protocol === 'https:' || url.port === String(TLS_PORT)
      const port = url.port === '' ? (encrypted ? TLS_PORT : PLAIN_PORT) : Number(url.port)
      return encrypted ? tlsAddress(host, port, await material()) : tcpAddress(host, port)
    }
  }
  throw unknownAddress('the engine', 'unix:///path/docker.sock, tcp://host:port or ssh://user@host')
}

const unknownAddress = (what: string, forms: string): Fault =>
  new Fault('REQUEST_INVALID', `The address of ${what} is not one this program can open.`, {
    hint: `Write ${forms}.`,
  })

/** https://github.com/docker/cli/blob/master/cli/context/store/metadatastore.go */
async function contextAddress(name: string, folder: string): Promise<Address> {
  const id = createHash('sha256').update(name).digest('hex')
  const unknown = (cause?: unknown): Fault =>
    new Fault('REQUEST_INVALID', 'The Docker context that is chosen does not exist, or names no engine.', {
      hint: '"docker context ls" lists those that do; DOCKER_CONTEXT or "docker context use" chooses one.',
      cause,
    })
  let endpoint: { readonly Host?: string; readonly SkipTLSVerify?: boolean } | undefined
  try {
    const text = await readFile(join(folder, 'contexts', 'meta', id, 'meta.json'), 'utf8')
    endpoint = (JSON.parse(text) as { Endpoints?: { docker?: typeof endpoint } }).Endpoints?.docker
  } catch (error) {
    throw unknown(error)
  }
  if (endpoint?.Host === undefined) throw unknown()
  if (endpoint.SkipTLSVerify === true) {
    throw new Fault('REQUEST_INVALID', 'The Docker context switches the verification of certificates off.', {
      hint: 'Give the context the certificate of the authority instead.',
    })
  }
  const material = await readMaterial(join(folder, 'contexts', 'tls', id, 'docker'), false)
  const secure = Object.values(material).some((part) => part !== undefined)
  return addressOf(endpoint.Host, { secure, material: async () => Promise.resolve(material) })
}

/** Reads `ca.pem`, `cert.pem` and `key.pem` from a folder. */
async function readMaterial(folder: string, all: boolean): Promise<TlsMaterial> {
  const read = async (name: string): Promise<Buffer | undefined> => {
    try {
      return await readFile(join(folder, name))
    } catch (error) {
      if (!all && error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw new Fault('REQUEST_INVALID', `The file ${join(folder, name)} cannot be read.`, {
        hint: 'A folder of certificates holds ca.pem, cert.pem and key.pem.',
        cause: error,
      })
    }
  }
  const [ca, cert, key] = await Promise.all(['ca.pem', 'cert.pem', 'key.pem'].map(read))
  if ((cert === undefined) !== (key === undefined)) return { ...NO_MATERIAL, ca }
  return { ca, cert, key }
}
