/**
 * The page to sign in.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { useModel } from './model.js'
import { FaultText, textField, useSubmit } from './parts.js'

/** Takes a token. It goes to the server once, and from then on only the browser knows it. */
export function SignIn(): JSX.Element {
  const model = useModel()
  const { fault, busy, submit } = useSubmit(async (fields) => {
    await model.signIn(textField(fields, 'token').trim())
  })
  useEffect(() => {
    document.title = 'Sign in · Traceless'
  }, [])
  return (
    <main class="sign-in">
      <article>
        <Mark />
        <h1>Traceless</h1>
        <p class="lead">Images built with secrets, shipped without.</p>
        <form onSubmit={submit}>
          <label>
            Token
            <input
              name="token"
              type="password"
              autocomplete="off"
              spellcheck={false}
              required
              autoFocus
              aria-describedby="token-help"
            />
          </label>
          <FaultText fault={fault} />
          <button type="submit" aria-busy={busy}>
            Sign in
          </button>
          <p id="token-help" class="faint">
            <code>traceless token create</code> on the host of the server makes one.
          </p>
        </form>
      </article>
    </main>
  )
}

/** The sign of the product: layers, the top one read. */
export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path class="top" d="M5 11l11-5 11 5-11 5z" />
      <path class="below" d="M5 16l11 5 11-5M5 21l11 5 11-5" />
    </svg>
  )
}
