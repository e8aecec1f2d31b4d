/**
 * How a worker reaches the keyholder: through a socket of this machine, or
 * over TLS. Without TLS only this machine is asked, because whoever stands in
 * between could have values sealed to a key of his own.
 *
 * @packageDocumentation
 */

import { request as plainRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as secureRequest } from 'node:https'
import { Fault, FAULTS, type FaultCode } from '../errors.js'
import type { AskKeyholder } from './client.js'

/** Largest answer that is read: as many values of the largest kind as one environment may reasonably have. */
const MAX_ANSWER_BYTES = 256 << 20

/** Longest silence, in milliseconds. */
const SILENCE_MS = 30_000

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost'])

/**
 * Makes the way to a keyholder.
 *
 * @param address - `unix:/PATH`, `https://HOST:PORT`, or `http://` with an address of this machine.
 * @throws {@link Fault} `REQUEST_INVALID` for any other address.
 */
export function askAt(address: string): AskKeyholder {
  const to = placeOf(address)
  return async (path, body, signal) => {
    const { status, text } = await post({ ...to.options, path }, { send: to.send, body, signal })
    const answer = jsonOf(text)
    if (status === 200) return answer
    throw faultIn(answer)
  }
}

type Send = (
  options: RequestOptions,
  answered: (response: IncomingMessage) => void,
) => ReturnType<typeof plainRequest>

function placeOf(address: string): { readonly options: RequestOptions; readonly send: Send } {
  if (address.startsWith('unix:/')) {
    return { options: { socketPath: address.slice('unix:'.length), host: 'localhost' }, send: plainRequest }
  }
  const url = URL.canParse(address) ? new URL(address) : null
  const secure = url?.protocol === 'https:'
  if (url === null || !(secure || (url.protocol === 'http:' && LOOPBACK.has(url.hostname)))) {
    throw new Fault('REQUEST_INVALID', 'The address of the keyholder is not one that can be used.', {
      hint: 'Write unix:/PATH or https://HOST:PORT; http:// is for 127.0.0.1 only.',
    })
  }
  const options = {
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? undefined : url.port,
  }
  return { options, send: secure ? secureRequest : plainRequest }
}

async function post(
  options: RequestOptions,
  { send, body, signal }: { readonly send: Send; readonly body: string; readonly signal: AbortSignal },
): Promise<{ readonly status: number; readonly text: string }> {
  return await new Promise((resolve, reject) => {
    const fail = (error: unknown): void =>
      reject(signal.aborted ? (signal.reason as Error) : unreachable(error))
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = send({ ...options, method: 'POST', headers, signal, timeout: SILENCE_MS }, (response) => {
      readAll(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), fail)
    })
    sent.on('timeout', () => sent.destroy(new Error('silent')))
    sent.on('error', fail)
    sent.end(body)
  })
}

async function readAll(response: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw new Error('too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function faultIn(answer: unknown): Fault {
  const error = typeof answer === 'object' && answer !== null && 'error' in answer ? answer.error : null
  if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) {
    const { code, message } = error
    const hint = 'hint' in error && typeof error.hint === 'string' ? error.hint : undefined
    if (isCode(code) && typeof message === 'string') return new Fault(code, message, { hint })
  }
  return unreachable(undefined)
}

const isCode = (code: unknown): code is FaultCode => typeof code === 'string' && Object.hasOwn(FAULTS, code)

const unreachable = (cause: unknown): Fault =>
  new Fault('SERVER_UNREACHABLE', 'The keyholder does not answer.', {
    hint: 'Is "traceless keyholder" running, and is its address right?',
    cause,
  })
