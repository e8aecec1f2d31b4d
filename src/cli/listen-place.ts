/**
 * Where a command that listens does so, and with which certificate.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { Fault } from '../errors.js'

/** A port of an address of this machine, or a socket. */
export type Place = { readonly host: string; readonly port: number } | { readonly socket: string }

/** Options of a command that listens with TLS. */
export interface TlsFlags {
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** Adds `--tls-cert` and `--tls-key`. */
export function addTlsOptions(command: Command): void {
  command
    .option('--tls-cert <file>', 'certificate and its chain, PEM')
    .option('--tls-key <file>', 'key of the certificate, PEM')
}

/**
 * Reads `unix:/PATH`, `HOST:PORT` or `[ADDRESS]:PORT`.
 *
 * @throws {@link Fault} `REQUEST_INVALID`.
 */
export function listenPlace(text: string): Place {
  if (text.startsWith('unix:/')) return { socket: text.slice('unix:'.length) }
  const [, bracketed, plain, port = ''] = /^(?:\[([0-9a-fA-F:]+)\]|([^:/\s]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) }
  throw new Fault('REQUEST_INVALID', 'It cannot be listened there.', {
    hint: 'Write HOST:PORT or unix:/PATH.',
  })
}

/**
 * Reads the certificate.
 *
 * @returns `undefined` where none is named.
 * @throws {@link Fault} `REQUEST_INVALID` for one without its key, or files that cannot be read.
 */
export async function readTls({
  tlsCert,
  tlsKey,
}: TlsFlags): Promise<{ readonly cert: Uint8Array; readonly key: Uint8Array } | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new Fault('REQUEST_INVALID', '--tls-cert and --tls-key go together.')
  }
  try {
    const [cert, key] = await Promise.all([readFile(tlsCert), readFile(tlsKey)])
    return { cert, key }
  } catch (error) {
    throw new Fault('REQUEST_INVALID', 'The certificate or its key cannot be read.', { cause: error })
  }
}
