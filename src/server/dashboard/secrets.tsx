/**
 * The secrets of an environment.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { pathOf, queryOf } from './api.js'
import { useLoaded, useModel } from './model.js'
import { Badge, ConfirmLoss, DialogForm, Empty, Page, Table, When } from './parts.js'
import { hrefOf } from './route.js'
import { SecretForm, type SecretFormPlace } from './secret-form.js'
import { EnvironmentChoice } from './shell.js'
import { countText } from './text.js'
import type { ChangeReport, Secret } from './wire.js'

/** A secret with its staged change, as one row. */
interface Row {
  readonly name: string
  readonly group: string | null
  readonly live: Secret | undefined
  readonly staged: Secret | undefined
  readonly shown: Secret
}

/** Lists, searches, sets, removes and deploys secrets. */
export function Secrets(): JSX.Element {
  const model = useModel()
  const environment = model.environment.value
  const [search, setSearch] = useState('')
  const [form, setForm] = useState<SecretFormPlace | null>(null)
  const [removing, setRemoving] = useState<Row | null>(null)
  const [forcing, setForcing] = useState(false)
  const { data, reload } = useLoaded(
    (api, signal) => api.get<{ secrets: readonly Secret[] }>(`/secrets${queryOf({ environment })}`, signal),
    ['secrets', environment],
  )
  const changed = (): void => {
    reload()
    model.loadEnvironments().catch(model.tellFault)
  }
  const rows = rowsOf(data?.secrets ?? [])
  const wanted = rows.filter(({ name, group }) =>
    `${name} ${group ?? ''}`.toLowerCase().includes(search.trim().toLowerCase()),
  )
  const staged = rows.filter((row) => row.staged !== undefined).length
  const deploy = async (force: boolean): Promise<void> => {
    const path = pathOf('environments', environment, 'deploy')
    const report = await model.api.send<ChangeReport>('POST', path, { force })
    model.tell(`Deployed ${report.changed.map(({ name }) => name).join(', ')} in ${environment}.`)
    changed()
  }
  const mayWrite = model.may('secrets:write')
  return (
    <Page
      title="Secrets"
      lead="Values go in and are never shown again. The digest tells whether one changed."
      actions={
        <>
          <EnvironmentChoice />
          {mayWrite ? (
            <button type="button" onClick={() => setForm({ environment, group: null, secret: null })}>
              New secret
            </button>
          ) : null}
        </>
      }
    >
      {staged === 0 ? null : (
        <section class="staged" aria-label="Staged changes">
          <p>
            <strong>{countText(staged, 'staged change')}</strong> in {environment}. What is live stays until
            they are deployed.
          </p>
          {model.may('secrets:deploy') ? (
            <button
              type="button"
              onClick={() => {
                deploy(false).catch((error: unknown) => {
                  if (isConflict(error)) setForcing(true)
                  else model.tellFault(error)
                })
              }}
            >
              Deploy
            </button>
          ) : null}
        </section>
      )}
      <label class="search">
        <span class="unseen">Search by name or group</span>
        <input
          type="search"
          placeholder="Search by name or group"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
      </label>
      {wanted.length === 0 ? (
        <Empty loading={data === undefined}>
          {search === '' ? `There are no secrets in ${environment} yet.` : 'No secret has that in its name.'}
        </Empty>
      ) : (
        <Table
          label="Secrets"
          head={['Name', 'Status', 'Used by', 'Digest', 'Changed', 'Last used', '(Actions)']}
        >
          {wanted.map((row) => (
            <tr key={`${row.group ?? ''}/${row.name}`}>
              <th scope="row">
                <a href={hrefOf({ page: 'secret', environment, group: row.group, name: row.name })}>
                  {row.name}
                </a>
                {row.group === null ? null : <span class="of-group"> in group {row.group}</span>}
              </th>
              <td>
                <Status row={row} />
              </td>
              <td>
                {EXPOSURES[row.shown.exposure]}
                {row.shown.guarded ? null : <span class="faint">, not searched for</span>}
              </td>
              <td>
                <code>{row.live?.digest ?? '–'}</code>
              </td>
              <td>
                <When at={row.shown.updatedAt} />
              </td>
              <td>
                <When at={row.shown.lastUsedAt} />
              </td>
              <td class="row-actions">
                {mayWrite ? (
                  <>
                    <button
                      type="button"
                      class="quiet"
                      aria-label={`Edit ${row.name}`}
                      onClick={() => setForm({ environment, group: row.group, secret: row.shown })}
                    >
                      Edit
                    </button>
                    <button
                      type="button"
                      class="quiet bad"
                      aria-label={`Unset ${row.name}`}
                      onClick={() => setRemoving(row)}
                    >
                      Unset
                    </button>
                  </>
                ) : null}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {form === null ? null : <SecretForm {...form} onClose={() => setForm(null)} onDone={changed} />}
      {removing === null ? null : (
        <UnsetForm
          row={removing}
          environment={environment}
          onClose={() => setRemoving(null)}
          onDone={changed}
        />
      )}
      {forcing ? (
        <ConfirmLoss
          title="Something moved"
          name={environment}
          what={`What is live in ${environment} is not what the staged changes were based on. Deploying them replaces it all the same; the record shows it.`}
          verb="Deploy all the same"
          onConfirm={async () => {
            await deploy(true)
            setForcing(false)
          }}
          onClose={() => setForcing(false)}
        />
      ) : null}
    </Page>
  )
}

const EXPOSURES = {
  everywhere: 'builds and runs',
  'build-only': 'builds',
  'runtime-only': 'runs',
} as const

function Status({ row: { live, staged } }: { readonly row: Row }): JSX.Element {
  return (
    <>
      {live === undefined ? null : <Badge tone="good">Live</Badge>}{' '}
      {staged === undefined ? null : (
        <Badge tone="warn">
          {staged.version === null ? 'Removal staged' : live === undefined ? 'Staged' : 'Change staged'}
        </Badge>
      )}
    </>
  )
}

function UnsetForm({
  row: { name, group },
  environment,
  onClose,
  onDone,
}: {
  readonly row: Row
  readonly environment: string
  readonly onClose: () => void
  readonly onDone: () => void
}): JSX.Element {
  const model = useModel()
  return (
    <DialogForm
      title={`Unset ${name}`}
      onClose={onClose}
      onSubmit={async (_, chosen) => {
        await model.api.send('POST', pathOf('environments', environment, 'secrets', 'unset'), {
          names: [name],
          stage: chosen === 'stage',
          ...(group === null ? {} : { group }),
        })
        model.tell(
          chosen === 'stage' ? `Staged the removal of ${name}.` : `Removed ${name} from ${environment}.`,
        )
        onDone()
        onClose()
      }}
      buttons={
        <>
          <button type="submit" class="outline" value="stage">
            Stage the removal
          </button>
          <button type="submit" class="danger" value="now">
            Unset now
          </button>
        </>
      }
    >
      <p>
        Builds and runs that ask for {name} in {environment} will fail. Its versions stay: one of them can be
        made live again.
      </p>
    </DialogForm>
  )
}

function rowsOf(secrets: readonly Secret[]): readonly Row[] {
  const rows = new Map<string, Row>()
  for (const secret of secrets) {
    const key = `${secret.group ?? ''}/${secret.name}`
    const before = rows.get(key)
    const live = secret.status === 'live' ? secret : before?.live
    const staged = secret.status === 'staged' ? secret : before?.staged
    rows.set(key, { name: secret.name, group: secret.group, live, staged, shown: live ?? secret })
  }
  return [...rows.values()].sort((a, b) => a.name.localeCompare(b.name))
}

const isConflict = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'STORE_CONFLICT'
