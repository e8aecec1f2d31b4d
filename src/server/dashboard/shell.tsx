/**
 * What stands around every page: the way to the others, the environment, who
 * is signed in, and what a person is told.
 *
 * @packageDocumentation
 */

import type { ComponentChildren, JSX } from 'preact'
import { Build } from './build.js'
import { Builds } from './builds.js'
import { Environments } from './environments.js'
import { Groups } from './groups.js'
import { useModel } from './model.js'
import { NewBuild } from './new-build.js'
import { hrefOf, type Route } from './route.js'
import { SecretPage } from './secret.js'
import { Secrets } from './secrets.js'
import { Mark, SignIn } from './sign-in.js'
import { Tokens } from './tokens.js'
import type { Scope } from './wire.js'
import { Workers } from './workers.js'

/** All of the dashboard. */
export function Dashboard(): JSX.Element {
  const { me } = useModel()
  if (me.value === undefined) return <main class="waiting" aria-busy="true" aria-label="Loading" />
  return me.value === null ? <SignIn /> : <Signed />
}

const LINKS: readonly { readonly title: string; readonly route: Route; readonly scope: Scope }[] = [
  { title: 'Secrets', route: { page: 'secrets' }, scope: 'secrets:list' },
  { title: 'Groups', route: { page: 'groups' }, scope: 'secrets:list' },
  { title: 'Builds', route: { page: 'builds' }, scope: 'builds:read' },
  { title: 'Environments', route: { page: 'environments' }, scope: 'secrets:list' },
  { title: 'Tokens', route: { page: 'tokens' }, scope: 'admin' },
  { title: 'Workers', route: { page: 'workers' }, scope: 'builds:read' },
]

/** The link that a page belongs to. */
const FAMILIES: Readonly<Partial<Record<Route['page'], Route['page']>>> = {
  secret: 'secrets',
  build: 'builds',
  'new-build': 'builds',
}

function Signed(): JSX.Element {
  const model = useModel()
  const { page } = model.route.value
  const family = FAMILIES[page] ?? page
  return (
    <div class="frame">
      <a class="skip" href="#content" onClick={skip}>
        To the content
      </a>
      <aside class="side">
        <a class="brand" href="#/secrets">
          <Mark />
          Traceless
        </a>
        <nav aria-label="Pages">
          <ul>
            {LINKS.filter(({ scope }) => model.may(scope)).map(({ title, route }) => (
              <li key={title}>
                <a href={hrefOf(route)} aria-current={route.page === family ? 'page' : undefined}>
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="who">
          <span title={model.me.value?.token.scopes.join(', ')}>{model.me.value?.token.name}</span>
          <button
            type="button"
            class="quiet"
            onClick={() => {
              model.signOut().catch(model.tellFault)
            }}
          >
            Sign out
          </button>
        </div>
      </aside>
      <main id="content" tabIndex={-1}>
        <Shown route={model.route.value} />
      </main>
      <Notices />
    </div>
  )
}

function Shown({ route }: { readonly route: Route }): JSX.Element {
  switch (route.page) {
    case 'secrets':
      return <Secrets />
    case 'secret':
      return <SecretPage key={hrefOf(route)} {...route} />
    case 'groups':
      return <Groups />
    case 'builds':
      return <Builds />
    case 'build':
      return <Build key={route.id} id={route.id} />
    case 'new-build':
      return <NewBuild />
    case 'environments':
      return <Environments />
    case 'tokens':
      return <Tokens />
    case 'workers':
      return <Workers />
  }
}

/** The environment that a page shows. */
export function EnvironmentChoice(): JSX.Element {
  const model = useModel()
  const names = model.environments.value.map(({ name }) => name)
  const all = names.includes(model.environment.value) ? names : [model.environment.value, ...names]
  return (
    <label class="environment">
      <span>Environment</span>
      <select
        value={model.environment.value}
        onChange={(event) => {
          model.environment.value = event.currentTarget.value
        }}
      >
        {all.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

function Notices(): JSX.Element {
  const model = useModel()
  const told = (kind: 'done' | 'fault'): ComponentChildren =>
    model.notices.value
      .filter((notice) => notice.kind === kind)
      .map(({ id, text, lines }) => (
        <div key={id} class={`notice ${kind}`}>
          <div>
            <p>{text}</p>
            {lines.map((line) => (
              <p key={line} class="hint">
                {line}
              </p>
            ))}
          </div>
          <button type="button" class="close" aria-label="Dismiss" onClick={() => model.dismiss(id)} />
        </div>
      ))
  return (
    <div class="notices">
      <div role="status">{told('done')}</div>
      <div role="alert">{told('fault')}</div>
    </div>
  )
}

/** The address behind `#` names pages, so the browser itself cannot jump to a place in one. */
function skip(event: Event): void {
  event.preventDefault()
  document.getElementById('content')?.focus()
}
