/**
 * Failures as responses: every one is a fault with the status that the table of
 * faults gives it.
 *
 * @packageDocumentation
 */

import { Fault, FAULTS } from '../errors.js'
import { jsonResponse } from './wire.js'

/** A fault that has another status than its code: what HTTP has a word for. */
export class HttpFault extends Fault {
  readonly status: number

  constructor(status: number, ...parts: ConstructorParameters<typeof Fault>) {
    super(...parts)
    this.status = status
  }
}

/** The fault of anything that was thrown. Words of others stay behind. */
export const faultFrom = (error: unknown): Fault =>
  error instanceof Fault ? error : new Fault('INTERNAL', 'The server failed.', { cause: error })

/** The status of a fault. */
export const statusOf = (fault: Fault): number =>
  fault instanceof HttpFault ? fault.status : FAULTS[fault.code].status

/** The response of a fault. */
export function failureResponse(fault: Fault): Response {
  const status = statusOf(fault)
  // 499 is what proxies log for a client that went away; it is no status to send.
  return jsonResponse(status === 499 ? 409 : status, { error: fault }, headersOf(fault))
}

/** The fault for what is not there, or not for this token. */
export const notFound = (what: string): Fault => new Fault('NOT_FOUND', `There is no ${what}.`)

function headersOf({ code }: Fault): Record<string, string> {
  if (code === 'UNAUTHORIZED') return { 'www-authenticate': 'Bearer' }
  return code === 'RATE_LIMITED' ? { 'retry-after': '10' } : {}
}
