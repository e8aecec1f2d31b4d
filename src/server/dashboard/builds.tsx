/**
 * The builds of the server.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { queryOf } from './api.js'
import { useLoaded, useModel } from './model.js'
import { Badge, Empty, Page, Table, When, type Tone } from './parts.js'
import { hrefOf } from './route.js'
import { spanText } from './text.js'
import type { Build, BuildState } from './wire.js'

/** Builds that are listed. */
const SHOWN = 100

/** How often the list is loaded again, in milliseconds. */
const REFRESH_MS = 3_000

const TONES: Readonly<Record<BuildState, Tone>> = {
  uploading: 'busy',
  waiting: 'busy',
  running: 'busy',
  succeeded: 'good',
  refused: 'bad',
  failed: 'bad',
  cancelled: 'plain',
}

const STATES = Object.keys(TONES) as BuildState[]

/** Lists builds. */
export function Builds(): JSX.Element {
  const model = useModel()
  const [state, setState] = useState<string>('')
  const { data } = useLoaded(
    (api, signal) =>
      api.get<{ builds: readonly Build[] }>(
        `/builds${queryOf({ max: SHOWN, state: state === '' ? undefined : state })}`,
        signal,
      ),
    ['builds', state],
    REFRESH_MS,
  )
  return (
    <Page
      title="Builds"
      lead="An image gets its name after every layer of it was read and no secret was found."
      actions={
        <>
          <label class="environment">
            <span>State</span>
            <select value={state} onChange={(event) => setState(event.currentTarget.value)}>
              <option value="">all</option>
              {STATES.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          {model.may('builds:submit') ? (
            <a class="button" href="#/builds/new">
              New build
            </a>
          ) : null}
        </>
      }
    >
      {data?.builds.length ? (
        <Table label="Builds" head={['Image', 'State', 'Verdict', 'Environment', 'Submitted', 'By', 'Took']}>
          {data.builds.map((build) => (
            <tr key={build.id}>
              <th scope="row">
                <a href={hrefOf({ page: 'build', id: build.id })}>{titleOf(build)}</a>{' '}
                <code class="faint">{build.id.slice(0, 8)}</code>
              </th>
              <td>
                <StateBadge state={build.state} />
              </td>
              <td>
                <VerdictBadge verdict={build.verdict} />
              </td>
              <td>{build.environment}</td>
              <td>
                <When at={build.submittedAt} />
              </td>
              <td>{build.submittedBy}</td>
              <td>{tookText(build)}</td>
            </tr>
          ))}
        </Table>
      ) : (
        <Empty loading={data === undefined}>There are no such builds.</Empty>
      )}
    </Page>
  )
}

/** The first name of an image; its build's id where it has none. */
export const titleOf = ({ tags, id }: Build): string => tags[0] ?? `build ${id.slice(0, 8)}`

/** How long a build ran; `–` where it did not end yet. */
export const tookText = ({ startedAt, endedAt }: Build): string =>
  startedAt === null || endedAt === null ? '–' : spanText(Date.parse(endedAt) - Date.parse(startedAt))

/** How a build stands. */
export function StateBadge({ state }: { readonly state: BuildState }): JSX.Element {
  return <Badge tone={TONES[state]}>{state}</Badge>
}

/** What the leak check said. */
export function VerdictBadge({ verdict }: { readonly verdict: Build['verdict'] }): JSX.Element {
  switch (verdict) {
    case null:
      return <span class="faint">–</span>
    case 'clean':
      return <Badge tone="good">clean</Badge>
    case 'clean-base-unread':
      return <Badge tone="warn">clean, base unread</Badge>
    case 'not-proven':
      return <Badge tone="bad">not proven</Badge>
    case 'leak':
      return <Badge tone="bad">leak</Badge>
  }
}
