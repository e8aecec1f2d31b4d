/**
 * The groups of an environment.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { pathOf, queryOf } from './api.js'
import { useLoaded, useModel } from './model.js'
import { ConfirmLoss, DialogForm, Empty, Page, textField, When } from './parts.js'
import { hrefOf } from './route.js'
import { SecretForm, ValueField } from './secret-form.js'
import { EnvironmentChoice } from './shell.js'
import { base64OfText, countText } from './text.js'
import type { Group } from './wire.js'

/** Lists, makes, fills and deletes groups. */
export function Groups(): JSX.Element {
  const model = useModel()
  const environment = model.environment.value
  const [making, setMaking] = useState(false)
  const [filling, setFilling] = useState<Group | null>(null)
  const [deleting, setDeleting] = useState<Group | null>(null)
  const { data, reload } = useLoaded(
    (api, signal) => api.get<{ groups: readonly Group[] }>(`/groups${queryOf({ environment })}`, signal),
    ['groups', environment],
  )
  const changed = (): void => {
    reload()
    model.loadEnvironments().catch(model.tellFault)
  }
  const mayWrite = model.may('secrets:write')
  return (
    <Page
      title="Groups"
      lead="Builds and runs take the secrets of a group as a whole, with --group."
      actions={
        <>
          <EnvironmentChoice />
          {mayWrite ? (
            <button type="button" onClick={() => setMaking(true)}>
              New group
            </button>
          ) : null}
        </>
      }
    >
      {data?.groups.length ? (
        <ul class="cards">
          {data.groups.map((group) => (
            <li key={group.name}>
              <article>
                <h2>{group.name}</h2>
                <p class="faint">
                  {countText(group.keys.length, 'secret')}, made by {group.createdBy}{' '}
                  <When at={group.createdAt} />
                </p>
                <ul class="keys">
                  {group.keys.map((name) => (
                    <li key={name}>
                      <a href={hrefOf({ page: 'secret', environment, group: group.name, name })}>{name}</a>
                    </li>
                  ))}
                </ul>
                {mayWrite ? (
                  <footer class="buttons">
                    <button
                      type="button"
                      class="quiet bad"
                      aria-label={`Delete group ${group.name}`}
                      onClick={() => setDeleting(group)}
                    >
                      Delete
                    </button>
                    <button
                      type="button"
                      class="quiet"
                      aria-label={`Add a secret to group ${group.name}`}
                      onClick={() => setFilling(group)}
                    >
                      Add a secret
                    </button>
                  </footer>
                ) : null}
              </article>
            </li>
          ))}
        </ul>
      ) : (
        <Empty loading={data === undefined}>There are no groups in {environment} yet.</Empty>
      )}
      {making ? (
        <GroupForm environment={environment} onClose={() => setMaking(false)} onDone={changed} />
      ) : null}
      {filling === null ? null : (
        <SecretForm
          environment={environment}
          group={filling.name}
          secret={null}
          onClose={() => setFilling(null)}
          onDone={changed}
        />
      )}
      {deleting === null ? null : (
        <ConfirmLoss
          title={`Delete group ${deleting.name}`}
          name={deleting.name}
          what={`This deletes group ${deleting.name} of ${environment} with ${countText(deleting.keys.length, 'secret')} and all their versions, for good.`}
          verb="Delete"
          onConfirm={async () => {
            await model.api.send('DELETE', pathOf('environments', environment, 'groups', deleting.name))
            model.tell(`Deleted group ${deleting.name} of ${environment}.`)
            changed()
            setDeleting(null)
          }}
          onClose={() => setDeleting(null)}
        />
      )}
    </Page>
  )
}

function GroupForm({
  environment,
  onClose,
  onDone,
}: {
  readonly environment: string
  readonly onClose: () => void
  readonly onDone: () => void
}): JSX.Element {
  const model = useModel()
  return (
    <DialogForm
      title={`New group in ${environment}`}
      onClose={onClose}
      onSubmit={async (fields) => {
        const name = textField(fields, 'group').trim()
        await model.api.send('POST', pathOf('environments', environment, 'groups'), {
          name,
          changes: [
            { name: textField(fields, 'name').trim(), value: base64OfText(textField(fields, 'value')) },
          ],
        })
        model.tell(`Created group ${name} in ${environment}.`)
        onDone()
        onClose()
      }}
      buttons={<button type="submit">Create</button>}
    >
      <label>
        Name of the group
        <input
          name="group"
          required
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder="web"
        />
      </label>
      <label>
        Its first secret
        <input
          name="name"
          required
          pattern="[A-Za-z_][A-Za-z0-9_]{0,127}"
          title="Letters, digits and underscores, not a digit first"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder="DATABASE_URL"
        />
      </label>
      <ValueField />
    </DialogForm>
  )
}
