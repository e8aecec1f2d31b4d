/**
 * The form that sets a secret. A value goes in and is never shown: the field
 * is empty whenever the form opens.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { pathOf } from './api.js'
import { useModel } from './model.js'
import { DialogForm, textField } from './parts.js'
import { base64OfText } from './text.js'
import type { ChangeReport, Secret } from './wire.js'

/** Which secret the form is for. */
export interface SecretFormPlace {
  readonly environment: string
  readonly group: string | null
  /** The secret that gets a new value; `null` for a new one. */
  readonly secret: Pick<Secret, 'name' | 'exposure' | 'guarded'> | null
}

/** A new secret, or a new value for one. */
export function SecretForm({
  environment,
  group,
  secret,
  onClose,
  onDone,
}: SecretFormPlace & { readonly onClose: () => void; readonly onDone: () => void }): JSX.Element {
  const model = useModel()
  const place = group === null ? environment : `group ${group} of ${environment}`
  const submit = async (fields: FormData, chosen: string): Promise<void> => {
    const name = secret?.name ?? textField(fields, 'name').trim()
    const stage = chosen === 'stage'
    const report = await model.api.send<ChangeReport>(
      'POST',
      pathOf('environments', environment, 'secrets'),
      {
        changes: [
          {
            name,
            value: base64OfText(textField(fields, 'value')),
            exposure: textField(fields, 'exposure'),
            guarded: fields.get('guarded') === 'yes',
          },
        ],
        stage,
        ...(group === null ? {} : { group }),
      },
    )
    const discarded = report.changed.some((changed) => changed.discardedStaged)
    model.tell(
      `${stage ? 'Staged' : 'Set'} ${name} in ${place}.${discarded ? ' A staged change of it was given up.' : ''}`,
    )
    onDone()
    onClose()
  }
  return (
    <DialogForm
      title={secret === null ? `New secret in ${place}` : `New value for ${secret.name}`}
      onClose={onClose}
      onSubmit={submit}
      buttons={
        <>
          <button type="submit" class="outline" value="stage">
            Stage
          </button>
          <button type="submit" value="set">
            Set now
          </button>
        </>
      }
    >
      {secret === null ? (
        <label>
          Name
          <input
            name="name"
            required
            pattern="[A-Za-z_][A-Za-z0-9_]{0,127}"
            title="Letters, digits and underscores, not a digit first"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            placeholder="API_KEY"
          />
        </label>
      ) : null}
      <ValueField />
      <div class="two">
        <label>
          Used by
          <select name="exposure" defaultValue={secret?.exposure ?? 'everywhere'}>
            <Exposures chosen={secret?.exposure ?? 'everywhere'} />
          </select>
        </label>
        <label class="check">
          <input type="checkbox" name="guarded" value="yes" defaultChecked={secret?.guarded ?? true} />
          Search images for it
        </label>
      </div>
    </DialogForm>
  )
}

function Exposures({ chosen }: { readonly chosen: string }): JSX.Element {
  const options = [
    ['everywhere', 'builds and runs'],
    ['build-only', 'builds only'],
    ['runtime-only', 'runs only'],
  ] as const
  return (
    <>
      {options.map(([value, text]) => (
        <option key={value} value={value} selected={value === chosen}>
          {text}
        </option>
      ))}
    </>
  )
}

/** Takes a value of one line, or of several. What is typed stands in the field alone and is masked. */
export function ValueField(): JSX.Element {
  const [several, setSeveral] = useState(false)
  return (
    <div class="value">
      <label>
        Value
        {several ? (
          <textarea
            name="value"
            class="masked"
            rows={5}
            autocomplete="off"
            spellcheck={false}
            aria-describedby="value-help"
          />
        ) : (
          <input
            name="value"
            type="password"
            autocomplete="new-password"
            spellcheck={false}
            aria-describedby="value-help"
          />
        )}
      </label>
      <div class="value-foot">
        <small id="value-help">It is sealed on arrival. Nobody can read it back here.</small>
        <label class="check small">
          <input
            type="checkbox"
            role="switch"
            checked={several}
            onChange={(event) => setSeveral(event.currentTarget.checked)}
          />
          Several lines
        </label>
      </div>
    </div>
  )
}
