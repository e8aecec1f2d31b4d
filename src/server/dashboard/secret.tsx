/**
 * One secret: its versions, what used it, what happened to it.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { pathOf, queryOf } from './api.js'
import { useLoaded, useModel } from './model.js'
import { Badge, DialogForm, Empty, Page, Table, When } from './parts.js'
import { SecretForm } from './secret-form.js'
import type { HistoryEntry, Usage, Version } from './wire.js'

/** Which secret. */
export interface SecretPageProps {
  readonly environment: string
  readonly group: string | null
  readonly name: string
}

/** Entries of a history that are shown. */
const SHOWN = 100

/** Shows all that is known of a secret but its value. */
export function SecretPage({ environment, group, name }: SecretPageProps): JSX.Element {
  const model = useModel()
  const [editing, setEditing] = useState(false)
  const [rolling, setRolling] = useState<Version | null>(null)
  const inGroup = group ?? undefined
  const versions = useLoaded(
    (api, signal) =>
      api.get<{ versions: readonly Version[] }>(
        `${pathOf('environments', environment, 'secrets', name, 'versions')}${queryOf({ group: inGroup })}`,
        signal,
      ),
    ['versions', environment, group, name],
  )
  const usage = useLoaded(
    (api, signal) =>
      api.get<{ usage: readonly Usage[] }>(
        `${pathOf('environments', environment, 'secrets', name, 'usage')}${queryOf({ max: SHOWN })}`,
        signal,
      ),
    ['usage', environment, name],
  )
  const history = useLoaded(
    (api, signal) =>
      api.get<{ history: readonly HistoryEntry[] }>(
        `${pathOf('environments', environment, 'history')}${queryOf({ name, group: inGroup, max: SHOWN })}`,
        signal,
      ),
    ['history', environment, group, name],
  )
  const changed = (): void => {
    versions.reload()
    history.reload()
  }
  const live = versions.data?.versions.find((version) => version.live)
  return (
    <Page
      title={name}
      lead={
        <>
          <a href="#/secrets">Secrets</a> in {environment}
          {group === null ? null : <>, group {group}</>}
        </>
      }
      actions={
        model.may('secrets:write') ? (
          <button type="button" onClick={() => setEditing(true)}>
            New value
          </button>
        ) : undefined
      }
    >
      <section aria-labelledby="versions">
        <h2 id="versions">Versions</h2>
        {versions.data?.versions.length ? (
          <Table label="Versions" head={['Version', 'Status', 'Digest', 'Set', 'By', '(Actions)']}>
            {versions.data.versions.map((version) => (
              <tr key={version.version}>
                <th scope="row">
                  <code>{version.version.slice(0, 8)}</code>
                </th>
                <td>
                  <VersionStatus version={version} />
                </td>
                <td>
                  <code>{version.digest}</code>
                </td>
                <td>
                  <When at={version.createdAt} />
                </td>
                <td>{version.createdBy}</td>
                <td class="row-actions">
                  {model.may('secrets:deploy') && version.kept && !version.live ? (
                    <button
                      type="button"
                      class="quiet"
                      aria-label={`Make live version ${version.version.slice(0, 8)}`}
                      onClick={() => setRolling(version)}
                    >
                      Make live
                    </button>
                  ) : null}
                </td>
              </tr>
            ))}
          </Table>
        ) : (
          <Empty loading={versions.data === undefined}>It had no version yet.</Empty>
        )}
      </section>
      <section aria-labelledby="usage">
        <h2 id="usage">Used by</h2>
        {usage.data?.usage.length ? (
          <Table label="Builds and runs that used it" head={['When', 'What', 'Image', 'Version', 'Status']}>
            {usage.data.usage.map((use) => (
              <tr key={use.id}>
                <td>
                  <When at={use.at} />
                </td>
                <td>{use.kind}</td>
                <td>
                  {use.tags.join(', ')}{' '}
                  <code class="faint">{use.image?.replace('sha256:', '').slice(0, 12) ?? ''}</code>
                </td>
                <td>
                  <code>{use.version.slice(0, 8)}</code>
                </td>
                <td>{use.current ? <Badge tone="good">Live</Badge> : <Badge tone="warn">Outdated</Badge>}</td>
              </tr>
            ))}
          </Table>
        ) : (
          <Empty loading={usage.data === undefined}>No build and no run has used it.</Empty>
        )}
      </section>
      <section aria-labelledby="history">
        <h2 id="history">History</h2>
        {history.data?.history.length ? (
          <ol class="history">
            {history.data.history.map((entry, at) => (
              <li key={`${entry.at} ${String(at)}`}>
                <strong>{entry.action}</strong> by {entry.actor}
                {entry.detail === null || entry.detail === entry.action ? null : (
                  <span class="faint"> ({entry.detail})</span>
                )}
                <span class="right">
                  <When at={entry.at} />
                </span>
              </li>
            ))}
          </ol>
        ) : (
          <Empty loading={history.data === undefined}>Nothing has happened yet.</Empty>
        )}
      </section>
      {editing ? (
        <SecretForm
          environment={environment}
          group={group}
          secret={{ name, exposure: live?.exposure ?? 'everywhere', guarded: live?.guarded ?? true }}
          onClose={() => setEditing(false)}
          onDone={changed}
        />
      ) : null}
      {rolling === null ? null : (
        <DialogForm
          title={`Make version ${rolling.version.slice(0, 8)} live`}
          onClose={() => setRolling(null)}
          onSubmit={async () => {
            await model.api.send('POST', pathOf('environments', environment, 'secrets', name, 'rollback'), {
              to: rolling.version,
              ...(group === null ? {} : { group }),
            })
            model.tell(`Version ${rolling.version.slice(0, 8)} of ${name} is live again.`)
            changed()
            setRolling(null)
          }}
          buttons={<button type="submit">Make it live</button>}
        >
          <p>
            Builds and runs that begin from now on use the value that was set by {rolling.createdBy}{' '}
            <When at={rolling.createdAt} />.
          </p>
        </DialogForm>
      )}
    </Page>
  )
}

function VersionStatus({ version: { live, staged, kept } }: { readonly version: Version }): JSX.Element {
  if (live) return <Badge tone="good">Live</Badge>
  if (staged) return <Badge tone="warn">Staged</Badge>
  return kept ? <Badge tone="plain">Kept</Badge> : <span class="faint">value dropped</span>
}
