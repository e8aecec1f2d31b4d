/**
 * The tokens of the server.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { pathOf } from './api.js'
import { useLoaded, useModel } from './model.js'
import { Badge, Dialog, DialogForm, Empty, Page, Table, textField, When } from './parts.js'
import type { Scope, Token } from './wire.js'

const SCOPES: readonly (readonly [Scope, string])[] = [
  ['secrets:list', 'see names, digests and history'],
  ['secrets:write', 'set and unset secrets'],
  ['secrets:deploy', 'deploy staged changes and roll back'],
  ['builds:submit', 'submit and cancel builds'],
  ['builds:read', 'see builds, logs and reports'],
  ['admin', 'everything, tokens too'],
]

const DAY_MS = 86_400_000

/** Lists, makes and revokes tokens. */
export function Tokens(): JSX.Element {
  const model = useModel()
  const [making, setMaking] = useState(false)
  const [made, setMade] = useState<string | null>(null)
  const [revoking, setRevoking] = useState<Token | null>(null)
  const { data, reload } = useLoaded(
    (api, signal) => api.get<{ tokens: readonly Token[] }>('/tokens', signal),
    ['tokens'],
  )
  return (
    <Page
      title="Tokens"
      lead="Who may speak to this server, and about what. The text of a token is shown once."
      actions={
        <button type="button" onClick={() => setMaking(true)}>
          New token
        </button>
      }
    >
      {data?.tokens.length ? (
        <Table
          label="Tokens"
          head={['Name', 'May', 'Environments', 'Made', 'Expires', 'Last used', '(Actions)']}
        >
          {data.tokens.map((token) => (
            <tr key={token.id} class={token.revokedAt === null ? '' : 'gone'}>
              <th scope="row">
                {token.name} <code class="faint">{token.id.slice(0, 8)}</code>
              </th>
              <td>{token.scopes.join(', ')}</td>
              <td>{token.environments?.join(', ') ?? 'all'}</td>
              <td>
                <When at={token.createdAt} />
              </td>
              <td>{token.expiresAt === null ? 'never' : <When at={token.expiresAt} />}</td>
              <td>
                <When at={token.lastUsedAt} />
              </td>
              <td class="row-actions">
                {token.revokedAt === null ? (
                  <button
                    type="button"
                    class="quiet bad"
                    aria-label={`Revoke ${token.name}`}
                    onClick={() => setRevoking(token)}
                  >
                    Revoke
                  </button>
                ) : (
                  <Badge tone="plain">Revoked</Badge>
                )}
              </td>
            </tr>
          ))}
        </Table>
      ) : (
        <Empty loading={data === undefined}>There is none.</Empty>
      )}
      {making ? (
        <DialogForm
          title="New token"
          onClose={() => setMaking(false)}
          onSubmit={async (fields) => {
            const environments = textField(fields, 'environments')
              .split(/[\s,]+/)
              .filter((name) => name !== '')
            const days = Number(textField(fields, 'days'))
            const { text } = await model.api.send<{ text: string }>('POST', '/tokens', {
              name: textField(fields, 'name').trim(),
              scopes: fields.getAll('scope'),
              environments: environments.length === 0 ? null : environments,
              expiresAt: days > 0 ? new Date(Date.now() + days * DAY_MS).toISOString() : null,
            })
            setMaking(false)
            setMade(text)
            reload()
          }}
          buttons={<button type="submit">Create</button>}
        >
          <label>
            Name
            <input
              name="name"
              required
              maxLength={100}
              autocomplete="off"
              placeholder="continuous integration"
            />
          </label>
          <fieldset>
            <legend>It may</legend>
            {SCOPES.map(([scope, words]) => (
              <label key={scope} class="check">
                <input type="checkbox" name="scope" value={scope} />
                <code>{scope}</code> <span class="faint">{words}</span>
              </label>
            ))}
          </fieldset>
          <div class="two">
            <label>
              In these environments
              <input name="environments" autocomplete="off" spellcheck={false} placeholder="all" />
            </label>
            <label>
              For this many days
              <input name="days" type="number" min={1} max={3650} defaultValue="90" />
            </label>
          </div>
        </DialogForm>
      ) : null}
      {made === null ? null : <MadeToken text={made} onClose={() => setMade(null)} />}
      {revoking === null ? null : (
        <DialogForm
          title={`Revoke ${revoking.name}`}
          onClose={() => setRevoking(null)}
          onSubmit={async () => {
            await model.api.send('DELETE', pathOf('tokens', revoking.id))
            model.tell(`Revoked ${revoking.name}.`)
            setRevoking(null)
            reload()
          }}
          buttons={
            <button type="submit" class="danger">
              Revoke
            </button>
          }
        >
          <p>Whoever uses it is refused from now on. It cannot be brought back.</p>
        </DialogForm>
      )}
    </Page>
  )
}

function MadeToken({ text, onClose }: { readonly text: string; readonly onClose: () => void }): JSX.Element {
  const model = useModel()
  return (
    <Dialog title="The new token" onClose={onClose}>
      <p>Keep it now: it is not shown again.</p>
      <p>
        <code class="token">{text}</code>
      </p>
      <footer class="buttons">
        <button
          type="button"
          class="outline"
          onClick={() => {
            navigator.clipboard.writeText(text).then(
              () => model.tell('Copied.'),
              () => model.tell('The browser does not let this page copy; select the text.'),
            )
          }}
        >
          Copy
        </button>
        <button type="button" onClick={onClose}>
          Done
        </button>
      </footer>
    </Dialog>
  )
}
