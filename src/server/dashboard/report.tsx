/**
 * The leak report as the image itself: a stack of layers, the newest on top,
 * each with what was checked in it and what was found.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { bytesText, countText, spanText, stepText } from './text.js'
import type { Report, ReportFinding, ReportLayer, ReportStep, ReportUnread } from './wire.js'

const VERDICTS: Readonly<Record<Report['verdict'], string>> = {
  clean: 'Clean. All of it was read, and no secret is in it.',
  'clean-base-unread': 'Clean, as far as this build made it. Part of the base image was not read.',
  'not-proven': 'Not proven. Something this build made was not read.',
  leak: 'A secret is in the image. It got no name and was removed.',
}

const STATES: Readonly<Record<ReportLayer['state'], string>> = {
  clean: 'read, clean',
  proven: 'proven before',
  leak: 'leak',
  inherited: 'found, from the base',
  unread: 'not all read',
}

/** Findings of one place that are listed. */
const LISTED = 50

/** Draws a report. @param hint - what to do about a refusal. */
export function ReportStack({
  report,
  hint,
}: {
  readonly report: Report
  readonly hint: string | undefined
}): JSX.Element {
  const { findings, unread } = report
  const stages = [...new Set([...report.layers, ...findings, ...unread].map(({ stage }) => stage))].sort(
    (a, b) => Number(a !== null) - Number(b !== null),
  )
  return (
    <section class="report" aria-labelledby="report">
      <h2 id="report">Leak check</h2>
      <div class={`verdict ${report.verdict}`}>
        <p>
          <strong>{VERDICTS[report.verdict]}</strong>
        </p>
        {report.reasons.map((reason) => (
          <p key={reason}>{reason}</p>
        ))}
        {hint === undefined ? null : <p>{hint}</p>}
        <p class="searched">
          {bytesText(report.bytes)} in {countText(report.layers.length, 'layer')} searched in{' '}
          {spanText(report.durationMs)} for{' '}
          {report.guarded.length === 0
            ? 'no secrets'
            : report.guarded.map((name) => <code key={name}>{name}</code>)}
        </p>
        <Aside words="Too short to be searched for" names={report.tooShort} />
        <Aside words="Not searched for, by choice" names={report.unguarded} />
        <Aside words="Allowed" names={report.allow.map(({ secret, path }) => `${secret} in ${path}`)} />
        <Aside
          words="Searched as they stand, not opened"
          names={report.opaque.map(({ kind, count }) => `${String(count)} ${kind}`)}
        />
      </div>
      {stages.map((stage) => (
        <Stack
          key={stage ?? ''}
          stage={stage}
          layers={report.layers.filter((layer) => layer.stage === stage)}
          findings={findings.filter((finding) => finding.stage === stage)}
          unread={unread.filter((row) => row.stage === stage)}
        />
      ))}
      <SecretSteps steps={report.steps} />
    </section>
  )
}

const WHY: Readonly<Record<ReportStep['why'], string>> = {
  first: 'ran for the first time',
  changed: 'ran again, because a secret was changed',
  refreshed: 'ran again, as it was told to',
  uncached: 'ran again, without the cache',
  below: 'ran again, because something below it changed',
  unchanged: 'reused, nothing changed',
  kept: 'reused, although a secret was changed',
}

/** Which steps were made with which versions. */
function SecretSteps({ steps }: { readonly steps: readonly ReportStep[] }): JSX.Element | null {
  if (steps.length === 0) return null
  return (
    <>
      <h3>Steps that used secrets</h3>
      <ul class="secret-steps">
        {steps.map(({ step, why, secrets }) => (
          <li key={step}>
            <code>{stepText(step)}</code>
            <span class="faint">
              {WHY[why]};{' '}
              {secrets
                .map(
                  ({ name, version }) =>
                    `${name} ${version === null ? '(given at hand)' : version.slice(0, 8)}`,
                )
                .join(', ')}
            </span>
          </li>
        ))}
      </ul>
    </>
  )
}

function Aside({
  words,
  names,
}: {
  readonly words: string
  readonly names: readonly string[]
}): JSX.Element | null {
  return names.length === 0 ? null : (
    <p class="searched">
      {words}:{' '}
      {names.map((name) => (
        <code key={name}>{name}</code>
      ))}
    </p>
  )
}

function Stack({
  stage,
  layers,
  findings,
  unread,
}: {
  readonly stage: string | null
  readonly layers: readonly ReportLayer[]
  readonly findings: readonly ReportFinding[]
  readonly unread: readonly ReportUnread[]
}): JSX.Element {
  const isBeside = (row: ReportFinding | ReportUnread): boolean => row.layer === null
  const beside = findings.some(isBeside) || unread.some(isBeside)
  const largest = Math.max(1, ...layers.map(({ bytes }) => bytes))
  return (
    <>
      <h3>{stage === null ? 'The image' : `Stage ${stage}`}</h3>
      <ol class="stack" reversed>
        {beside ? (
          <li class={`slab ${findings.some(isBeside) ? 'leak' : 'unread'}`}>
            <div class="face">
              <span class="number">–</span>
              <span class="what">configuration and history</span>
              <span class="size" />
              <span class="state">{findings.some(isBeside) ? 'leak' : 'not all read'}</span>
            </div>
            <Places findings={findings.filter(isBeside)} unread={unread.filter(isBeside)} />
          </li>
        ) : null}
        {[...layers]
          .sort((a, b) => b.layer - a.layer)
          .map((layer) => (
            <Slab
              key={layer.layer}
              layer={layer}
              share={Math.sqrt(layer.bytes / largest)}
              findings={findings.filter((finding) => finding.layer === layer.layer)}
              unread={unread.filter((row) => row.layer === layer.layer)}
            />
          ))}
      </ol>
    </>
  )
}

function Slab({
  layer: { layer, step, bytes, origin, state, digest },
  share,
  findings,
  unread,
}: {
  readonly layer: ReportLayer
  /** How large it is beside the largest one, from 0 to 1. */
  readonly share: number
  readonly findings: readonly ReportFinding[]
  readonly unread: readonly ReportUnread[]
}): JSX.Element {
  return (
    <li class={`slab ${state} ${origin}`}>
      <div class="face">
        <span class="number">
          <span class="unseen">layer </span>
          {layer}
        </span>
        <span class="what" title={digest}>
          {origin === 'base' ? <span class="origin">base image</span> : null} <code>{stepText(step)}</code>
        </span>
        <span class="size">{state === 'proven' ? '' : bytesText(bytes)}</span>
        <span class="state">{STATES[state]}</span>
        <svg class="weight" aria-hidden="true" preserveAspectRatio="none">
          <rect width={`${String(Math.max(1, share * 100))}%`} height="100%" />
        </svg>
      </div>
      <Places findings={findings} unread={unread} />
    </li>
  )
}

function Places({
  findings,
  unread,
}: {
  readonly findings: readonly ReportFinding[]
  readonly unread: readonly ReportUnread[]
}): JSX.Element | null {
  if (findings.length + unread.length === 0) return null
  const hidden = Math.max(0, findings.length - LISTED) + Math.max(0, unread.length - LISTED)
  return (
    <ul class="places">
      {findings.slice(0, LISTED).map((finding) => (
        <li
          key={`${finding.secret} ${finding.form} ${finding.path ?? ''} ${String(finding.offset)} ${finding.where}`}
        >
          <strong>{finding.secret}</strong> as {finding.form}
          {finding.count > 1 ? `, ${countText(finding.count, 'time')},` : ''} in {placeText(finding)}
          <span class="faint"> at byte {finding.offset}</span>
          {finding.allowed ? <span class="faint"> (allowed)</span> : null}
          {finding.inherited ? <span class="faint"> (from the base image)</span> : null}
        </li>
      ))}
      {unread.slice(0, LISTED).map((row) => (
        <li key={`${row.path ?? ''} ${row.inner.join()} ${row.why}`}>
          {row.path === null ? 'the layer' : <code>{[row.path, ...row.inner].join(' › ')}</code>}: {row.why}
        </li>
      ))}
      {hidden === 0 ? null : <li class="faint">and {hidden} more</li>}
    </ul>
  )
}

function placeText({ where, path, inner }: ReportFinding): JSX.Element {
  const words: Readonly<Record<string, string>> = {
    name: 'the name of ',
    link: 'the target of the link ',
    header: 'the header of ',
    document: '',
  }
  return (
    <>
      {words[where] ?? ''}
      <code>{path === null ? where : [path, ...inner].join(' › ')}</code>
    </>
  )
}
