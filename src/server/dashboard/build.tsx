/**
 * One build: its steps, its log as it comes, and the leak check.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { pathOf } from './api.js'
import { StateBadge, titleOf, tookText, VerdictBadge } from './builds.js'
import { useLoaded, useModel } from './model.js'
import { Empty, Page, When } from './parts.js'
import { ReportStack } from './report.js'
import { Steps } from './steps.js'
import type { Build as BuildRow, FaultBody, Report } from './wire.js'
import { useWatched, type Line } from './watch.js'

/** How often a build that runs is looked at beside its events, in milliseconds. */
const REFRESH_MS = 3_000

const ENDS = ['succeeded', 'refused', 'failed', 'cancelled']

const PHASES: Readonly<Record<string, string>> = {
  check: 'checking the request',
  probe: 'looking into the base image',
  build: 'building',
  prove: 'reading the image back',
  archive: 'writing the archive',
  tag: 'naming the image',
  push: 'pushing the image',
}

/** Shows a build. */
export function Build({ id }: { readonly id: string }): JSX.Element {
  const model = useModel()
  const watched = useWatched(id)
  const ended = watched.ended
  const { data, reload } = useLoaded(
    (api, signal) => api.get<{ build: BuildRow }>(pathOf('builds', id), signal),
    ['build', id, ended !== null],
    ended === null ? REFRESH_MS : undefined,
  )
  const build = ended ?? data?.build
  const report = useReport(id, build, watched.report)
  if (build === undefined) {
    return (
      <Page title="Build">
        <Empty loading={true}>There is no such build.</Empty>
      </Page>
    )
  }
  const running = !ENDS.includes(build.state)
  return (
    <Page
      title={titleOf(build)}
      lead={
        <>
          <a href="#/builds">Builds</a> in {build.environment} · <code>{build.id.slice(0, 8)}</code>
        </>
      }
      actions={
        <>
          {build.state === 'succeeded' && outputOf(build) === 'oci' ? (
            <a class="button outline" href={`/v1${pathOf('builds', id, 'output')}`} download>
              Download the image
            </a>
          ) : null}
          {running && model.may('builds:submit') ? (
            <button
              type="button"
              class="danger outline"
              onClick={() => {
                model.api.send('POST', pathOf('builds', id, 'cancel')).then(() => {
                  model.tell('The build is asked to end.')
                  reload()
                }, model.tellFault)
              }}
            >
              Cancel the build
            </button>
          ) : null}
        </>
      }
    >
      <dl class="facts">
        <div>
          <dt>State</dt>
          <dd>
            <span role="status">
              <StateBadge state={build.state} />{' '}
              {running && watched.phase !== null ? (
                <span class="faint">{PHASES[watched.phase] ?? watched.phase}</span>
              ) : null}
            </span>
          </dd>
        </div>
        <div>
          <dt>Leak check</dt>
          <dd>
            <VerdictBadge verdict={report?.verdict ?? build.verdict} />
          </dd>
        </div>
        <div>
          <dt>Submitted</dt>
          <dd>
            <When at={build.submittedAt} /> by {build.submittedBy}
          </dd>
        </div>
        <div>
          <dt>Took</dt>
          <dd>{tookText(build)}</dd>
        </div>
        {build.image === null ? null : (
          <div>
            <dt>Image</dt>
            <dd>
              <code>{build.image.slice(0, 19)}</code>
            </dd>
          </div>
        )}
      </dl>
      {report === null ? null : <ReportStack report={report} hint={build.outcome?.hint} />}
      {build.outcome === null || isToldByReport(build.outcome, report) ? null : (
        <Outcome fault={build.outcome} />
      )}
      <section aria-labelledby="steps">
        <h2 id="steps">Steps</h2>
        {watched.steps.length === 0 ? (
          <Empty loading={running}>No step ran.</Empty>
        ) : (
          <Steps steps={watched.steps} />
        )}
      </section>
      <Log lines={watched.lines} dropped={watched.dropped} running={running} />
    </Page>
  )
}

/** The report as the events tell it, else as the server keeps it. */
function useReport(id: string, build: BuildRow | undefined, told: Report | null): Report | null {
  const wanted = told === null && build !== undefined && build.verdict !== null
  const { data } = useLoaded(
    async (api, signal) => {
      if (!wanted) return null
      const answer = await api.get<Report | { report: Report }>(pathOf('builds', id, 'report'), signal)
      return 'report' in answer ? answer.report : answer
    },
    ['report', id, wanted],
  )
  return told ?? data ?? null
}

/** A refused image: its report says all of it, and where. */
const isToldByReport = ({ code }: FaultBody, report: Report | null): boolean =>
  report !== null && (code === 'LEAK_FOUND' || code === 'NOT_PROVEN')

const outputOf = ({ output }: BuildRow): string => (typeof output === 'string' ? output : output.type)

function Outcome({ fault }: { readonly fault: FaultBody }): JSX.Element {
  return (
    <div class="fault">
      <p>
        <strong>{fault.message}</strong>
      </p>
      {fault.problems === undefined || fault.problems.length < 2 ? null : (
        <ul>
          {fault.problems.map(({ message }) => (
            <li key={message}>{message}</li>
          ))}
        </ul>
      )}
      {fault.hint === undefined ? null : <p class="hint">{fault.hint}</p>}
    </div>
  )
}

/** Pixels from the end of the log within which it follows what comes. */
const NEAR_END = 40

function Log({
  lines,
  dropped,
  running,
}: {
  readonly lines: readonly Line[]
  readonly dropped: number
  readonly running: boolean
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const [following, setFollowing] = useState(true)
  useEffect(() => {
    const element = box.current
    if (element !== null && following) element.scrollTop = element.scrollHeight
  }, [lines, following])
  return (
    <section aria-labelledby="log">
      <h2 id="log">Log {running ? <span class="live">live</span> : null}</h2>
      {lines.length === 0 ? (
        <Empty loading={running}>Nothing was said.</Empty>
      ) : (
        <div
          ref={box}
          class="log"
          role="log"
          aria-label="Output of the build, with secrets replaced"
          tabIndex={0}
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) =>
            setFollowing(scrollHeight - scrollTop - clientHeight < NEAR_END)
          }
        >
          {dropped === 0 ? null : <p class="note">{dropped} earlier lines are not shown.</p>}
          {lines.map(({ key, step, kind, text }) => (
            <p key={key} class={kind}>
              {step === null ? null : <span class="step">#{step} </span>}
              {text}
            </p>
          ))}
        </div>
      )}
    </section>
  )
}
