/**
 * Environments.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { pathOf } from './api.js'
import { useModel } from './model.js'
import { ConfirmLoss, DialogForm, Empty, Page, Table, textField, When } from './parts.js'
import { countText } from './text.js'
import type { Environment } from './wire.js'

/** Lists and deletes environments, and begins one. */
export function Environments(): JSX.Element {
  const model = useModel()
  const [deleting, setDeleting] = useState<Environment | null>(null)
  const [naming, setNaming] = useState(false)
  useEffect(() => {
    model.loadEnvironments().catch(model.tellFault)
  }, [])
  const rows = model.environments.value
  const look = (name: string): void => {
    model.environment.value = name
    location.hash = '#/secrets'
  }
  return (
    <Page
      title="Environments"
      lead="Sets of secrets that are kept apart. Nothing falls back from one to another."
      actions={
        model.may('secrets:write') ? (
          <button type="button" onClick={() => setNaming(true)}>
            New environment
          </button>
        ) : undefined
      }
    >
      {rows.length === 0 ? (
        <Empty loading={false}>There is none yet.</Empty>
      ) : (
        <Table label="Environments" head={['Name', 'Secrets', 'Groups', 'Made', 'By', '(Actions)']}>
          {rows.map((row) => (
            <tr key={row.name}>
              <th scope="row">
                <button type="button" class="link" onClick={() => look(row.name)}>
                  {row.name}
                </button>
              </th>
              <td>{row.secrets}</td>
              <td>{row.groups}</td>
              <td>
                <When at={row.createdAt} />
              </td>
              <td>{row.createdBy ?? '–'}</td>
              <td class="row-actions">
                {model.may('admin') && row.createdAt !== null ? (
                  <button
                    type="button"
                    class="quiet bad"
                    aria-label={`Delete ${row.name}`}
                    onClick={() => setDeleting(row)}
                  >
                    Delete
                  </button>
                ) : null}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {naming ? (
        <DialogForm
          title="New environment"
          onClose={() => setNaming(false)}
          onSubmit={async (fields) => {
            setNaming(false)
            look(textField(fields, 'name').trim())
          }}
          buttons={<button type="submit">Look into it</button>}
        >
          <p>An environment comes to be when a secret is set in it.</p>
          <label>
            Name
            <input
              name="name"
              required
              pattern="[A-Za-z0-9_][A-Za-z0-9._\-]{0,63}"
              title="Letters, digits, dots, dashes and underscores"
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              placeholder="staging"
            />
          </label>
        </DialogForm>
      ) : null}
      {deleting === null ? null : (
        <ConfirmLoss
          title={`Delete ${deleting.name}`}
          name={deleting.name}
          what={`This deletes ${deleting.name} with ${countText(deleting.secrets, 'secret')} and ${countText(deleting.groups, 'group')}, for good.`}
          verb="Delete"
          onConfirm={async () => {
            await model.api.send('DELETE', pathOf('environments', deleting.name))
            model.tell(`Deleted ${deleting.name}.`)
            setDeleting(null)
            await model.loadEnvironments()
          }}
          onClose={() => setDeleting(null)}
        />
      )}
    </Page>
  )
}
