/**
 * What all pages share: who is signed in, which page is shown, which
 * environment is meant, and what a person is told.
 *
 * @packageDocumentation
 */

import { signal, type Signal } from '@preact/signals'
import { createContext } from 'preact'
import { useCallback, useContext, useEffect, useState } from 'preact/hooks'
import { ApiFault, createApi, type Api } from './api.js'
import { routeOf, type Route } from './route.js'
import type { Environment, Me, Scope } from './wire.js'

/** Something a person is told at the foot of the page. */
export interface Notice {
  readonly id: number
  readonly kind: 'done' | 'fault'
  readonly text: string
  readonly lines: readonly string[]
}

/** The state of the dashboard. */
export interface Model {
  readonly api: Api
  readonly route: Signal<Route>
  /** `undefined` until the server was asked, `null` when nobody is signed in. */
  readonly me: Signal<Me | null | undefined>
  readonly environments: Signal<readonly Environment[]>
  /** The environment that is looked at. */
  readonly environment: Signal<string>
  readonly notices: Signal<readonly Notice[]>
  /** Asks who is signed in, and for the environments. */
  readonly open: () => Promise<void>
  readonly signIn: (token: string) => Promise<void>
  readonly signOut: () => Promise<void>
  readonly loadEnvironments: () => Promise<void>
  /** Tells that something was done. */
  readonly tell: (text: string) => void
  /** Tells what went wrong. An abort is not news. */
  readonly tellFault: (error: unknown) => void
  readonly dismiss: (id: number) => void
  /** Whether the token may do that. */
  readonly may: (scope: Scope) => boolean
}

/** How long it is told that something was done, in milliseconds. What went wrong stays. */
const NOTICE_MS = 6_000

/** Makes the state and follows the address of the page. */
export function createModel(): Model {
  let notices = 0
  const model: Model = {
    api: createApi(() => (model.me.value = null)),
    route: signal(routeOf(location.hash)),
    me: signal(undefined),
    environments: signal([]),
    environment: signal('main'),
    notices: signal([]),
    async open() {
      try {
        model.me.value = await model.api.get<Me>('/me')
        await model.loadEnvironments()
      } catch (error) {
        if (!(error instanceof ApiFault)) throw error
        if (error.code !== 'UNAUTHORIZED') model.tellFault(error)
        model.me.value = null
      }
    },
    async signIn(token) {
      await model.api.send('POST', '/session', { token })
      model.notices.value = []
      await model.open()
    },
    async signOut() {
      await model.api.send('DELETE', '/session')
      model.me.value = null
      model.environments.value = []
    },
    async loadEnvironments() {
      if (!model.may('secrets:list')) return
      const { environments } = await model.api.get<{ environments: readonly Environment[] }>('/environments')
      model.environments.value = environments
      const names = environments.map(({ name }) => name)
      if (!names.includes(model.environment.value)) model.environment.value = names[0] ?? 'main'
    },
    tell(text) {
      const id = add({ kind: 'done', text, lines: [] })
      setTimeout(() => model.dismiss(id), NOTICE_MS)
    },
    tellFault(error) {
      if (error instanceof DOMException && error.name === 'AbortError') return
      if (!(error instanceof ApiFault)) throw error
      // The page to sign in says it by itself.
      if (error.code === 'UNAUTHORIZED') return
      const lines = [...error.lines, ...(error.hint === undefined ? [] : [error.hint])]
      add({ kind: 'fault', text: error.message, lines })
    },
    dismiss(id) {
      model.notices.value = model.notices.value.filter((notice) => notice.id !== id)
    },
    may(scope) {
      const scopes = model.me.value?.token.scopes ?? []
      return scopes.includes(scope) || scopes.includes('admin')
    },
  }
  const add = (notice: Omit<Notice, 'id'>): number => {
    notices += 1
    model.notices.value = [...model.notices.value, { ...notice, id: notices }]
    return notices
  }
  addEventListener('hashchange', () => {
    model.route.value = routeOf(location.hash)
    model.notices.value = model.notices.value.filter(({ kind }) => kind === 'done')
  })
  return model
}

/** Hands the state to the pages. */
export const ModelContext = createContext<Model | null>(null)

/** The state. */
export function useModel(): Model {
  const model = useContext(ModelContext)
  if (model === null) throw new TypeError('a page stands outside of the dashboard')
  return model
}

/** What a page loads, and how to load it again. */
export interface Loaded<T> {
  /** `undefined` until it is there. */
  readonly data: T | undefined
  readonly reload: () => void
}

/**
 * Loads what a page shows, again whenever one of `keys` changes, and drops what comes too late.
 *
 * @param everyMs - loads again after that time while the page is looked at.
 */
export function useLoaded<T>(
  load: (api: Api, signal: AbortSignal) => Promise<T>,
  keys: readonly unknown[],
  everyMs?: number,
): Loaded<T> {
  const model = useModel()
  const [round, setRound] = useState(0)
  const [state, setState] = useState<{ readonly key: string; readonly data: T } | null>(null)
  const key = JSON.stringify(keys)
  useEffect(() => {
    const stop = new AbortController()
    load(model.api, stop.signal).then((data) => {
      if (!stop.signal.aborted) setState({ key, data })
    }, model.tellFault)
    return () => stop.abort()
  }, [key, round])
  useEffect(() => {
    if (everyMs === undefined) return
    const timer = setInterval(() => {
      if (!document.hidden) setRound((before) => before + 1)
    }, everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  const reload = useCallback(() => setRound((before) => before + 1), [])
  return { data: state?.key === key ? state.data : undefined, reload }
}
