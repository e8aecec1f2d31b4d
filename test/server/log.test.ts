/** V6: the log of the server holds nothing that it must not, even where somebody writes it there. */

import { expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { serverLog } from '../../src/server/log.js'

it('V6: masks tokens and logins of URLs, and leaves out what another program said', () => {
  const lines: string[] = []
  const log = serverLog((line) => lines.push(line))
  const token = `tls_${'A'.repeat(43)}`
  log.event('note', { text: `with ${token}`, url: 'https://user:hunter2@example.com/x' })
  log.failure('somewhere', new TypeError('hunter2'))
  const fault = new Fault('INTERNAL', 'It failed.', { cause: new Error('hunter2') })
  const line = { id: '1', method: 'hunter2', route: '/v1/me', token: null, status: 500, ms: 1 }
  log.request(line, fault)
  expect(lines).toHaveLength(3)
  for (const each of lines) {
    expect(JSON.parse(each)).toMatchObject({ time: expect.any(String) as string })
    expect(each).not.toContain(token)
    expect(each).not.toContain('hunter2')
  }
  expect(lines[2]).toContain('"code":"INTERNAL"')
})
