/**
 * A build from a Dockerfile that is written here. Contexts come with the
 * command line.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useModel } from './model.js'
import { FaultText, Page, textField, useSubmit } from './parts.js'
import { hrefOf } from './route.js'
import { EnvironmentChoice } from './shell.js'
import type { Build } from './wire.js'

const EXAMPLE = `FROM traceless-base:tiny
RUN --mount=type=secret,id=API_KEY wc -c < /run/secrets/API_KEY > /length
`

/** Takes a Dockerfile and the names of its image. */
export function NewBuild(): JSX.Element {
  const model = useModel()
  const { fault, busy, submit } = useSubmit(async (fields) => {
    const { build } = await model.api.send<{ build: Build }>(
      'POST',
      '/builds',
      {
        environment: model.environment.value,
        request: {
          dockerfile: { text: textField(fields, 'dockerfile') },
          tags: wordsOf(textField(fields, 'tags')),
          noCache: fields.get('no-cache') === 'yes',
          strict: fields.get('strict') === 'yes',
        },
        output: { type: textField(fields, 'output') },
        values: [],
        context: false,
      },
      { 'idempotency-key': crypto.randomUUID() },
    )
    location.hash = hrefOf({ page: 'build', id: build.id })
  })
  return (
    <Page
      title="New build"
      lead={
        <>
          <a href="#/builds">Builds</a> · a mount with <code>id=NAME</code> gets the stored secret of that
          name.
        </>
      }
      actions={<EnvironmentChoice />}
    >
      <form class="card" onSubmit={submit} autocomplete="off">
        <label>
          Dockerfile
          <textarea
            name="dockerfile"
            class="code"
            rows={10}
            required
            spellcheck={false}
            autocapitalize="off"
            placeholder={EXAMPLE}
          />
        </label>
        <div class="two">
          <label>
            Names of the image
            <input
              name="tags"
              required
              spellcheck={false}
              autocapitalize="off"
              placeholder="registry.example.com/app:1"
            />
          </label>
          <label>
            Where it goes
            <select name="output">
              <option value="oci">an archive to download</option>
              <option value="push">the registry of its name</option>
            </select>
          </label>
        </div>
        <fieldset class="checks">
          <label class="check">
            <input type="checkbox" name="no-cache" value="yes" />
            Run every step again
          </label>
          <label class="check">
            <input type="checkbox" name="strict" value="yes" />
            Refuse what is unread in the base image, too
          </label>
        </fieldset>
        <FaultText fault={fault} />
        <div class="buttons">
          <button type="submit" aria-busy={busy}>
            Build
          </button>
        </div>
      </form>
    </Page>
  )
}

const wordsOf = (text: string): readonly string[] => text.split(/[\s,]+/).filter((word) => word !== '')
