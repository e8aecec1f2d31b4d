/**
 * Small parts that several pages are made of.
 *
 * @packageDocumentation
 */

import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { ApiFault } from './api.js'
import { agoText, dayText } from './text.js'

/** A page: its heading gets the focus when it is opened, so that a screen reader says where one is. */
export function Page({
  title,
  lead,
  actions,
  children,
}: {
  readonly title: string
  readonly lead?: ComponentChildren
  readonly actions?: ComponentChildren
  readonly children: ComponentChildren
}): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} · Traceless`
    heading.current?.focus()
  }, [title])
  return (
    <>
      <header class="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {lead === undefined ? null : <p class="lead">{lead}</p>}
        </div>
        {actions === undefined ? null : <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  )
}

/** Says that something is on its way, or that there is nothing. */
export function Empty({
  loading,
  children,
}: {
  readonly loading: boolean
  readonly children: ComponentChildren
}): JSX.Element {
  return loading ? (
    <p class="empty" aria-busy="true">
      Loading …
    </p>
  ) : (
    <div class="empty">{children}</div>
  )
}

/** A word with a colour; the colour says nothing that the word does not. */
export function Badge({
  tone,
  children,
}: {
  readonly tone: Tone
  readonly children: ComponentChildren
}): JSX.Element {
  return <span class={`badge ${tone}`}>{children}</span>
}

/** What a colour stands for. */
export type Tone = 'good' | 'bad' | 'warn' | 'busy' | 'plain'

/** A time: how long ago, and exactly when one looks closer. */
export function When({ at }: { readonly at: string | null }): JSX.Element {
  if (at === null) return <span class="faint">–</span>
  return (
    <time dateTime={at} title={dayText(at)}>
      {agoText(at, Date.now())}
    </time>
  )
}

/** A table that scrolls by itself where the page is narrow. */
export function Table({
  label,
  head,
  children,
}: {
  readonly label: string
  readonly head: readonly string[]
  readonly children: ComponentChildren
}): JSX.Element {
  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((title) => (
              <th key={title} scope="col">
                {title.startsWith('(') ? <span class="unseen">{title.slice(1, -1)}</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}

/** A dialog that is open as long as it is there. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  readonly title: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const opener = document.activeElement
    dialog.current?.showModal()
    return () => {
      if (opener instanceof HTMLElement) opener.focus()
    }
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      <article>
        <header>
          <button type="button" class="close" aria-label="Close" onClick={onClose} />
          <h2 id={id}>{title}</h2>
        </header>
        {children}
      </article>
    </dialog>
  )
}

/** A form in a dialog: what goes wrong is told in it, and what was typed stays. */
export function DialogForm({
  title,
  onClose,
  onSubmit,
  children,
  buttons,
}: {
  readonly title: string
  readonly onClose: () => void
  /** @param chosen - value of the button that was pressed. */
  readonly onSubmit: (fields: FormData, chosen: string) => Promise<void>
  readonly children: ComponentChildren
  readonly buttons: ComponentChildren
}): JSX.Element {
  const { fault, busy, submit } = useSubmit(onSubmit)
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit} autocomplete="off">
        {children}
        <FaultText fault={fault} />
        <footer class="buttons" aria-busy={busy}>
          <button type="button" class="secondary outline" onClick={onClose}>
            Cancel
          </button>
          {buttons}
        </footer>
      </form>
    </Dialog>
  )
}

/** Sends a form once at a time, and keeps the failure for {@link FaultText}. */
export function useSubmit(onSubmit: (fields: FormData, chosen: string) => Promise<void>): {
  readonly fault: ApiFault | null
  readonly busy: boolean
  readonly submit: (event: SubmitEvent) => void
} {
  const [fault, setFault] = useState<ApiFault | null>(null)
  const [busy, setBusy] = useState(false)
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    if (busy || !(event.currentTarget instanceof HTMLFormElement)) return
    const chosen = event.submitter instanceof HTMLButtonElement ? event.submitter.value : ''
    setBusy(true)
    setFault(null)
    onSubmit(new FormData(event.currentTarget), chosen)
      .catch((error: unknown) => {
        if (!(error instanceof ApiFault)) throw error
        setFault(error)
      })
      .finally(() => setBusy(false))
  }
  return { fault, busy, submit }
}

/** What went wrong, where it went wrong. */
export function FaultText({ fault }: { readonly fault: ApiFault | null }): JSX.Element | null {
  if (fault === null) return null
  return (
    <div class="fault" role="alert">
      <p>{fault.message}</p>
      {fault.lines.length === 0 ? null : (
        <ul>
          {fault.lines.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      )}
      {fault.hint === undefined ? null : <p class="hint">{fault.hint}</p>}
    </div>
  )
}

/** Asks before something is lost for good: the name is to be typed. */
export function ConfirmLoss({
  title,
  name,
  what,
  verb,
  onConfirm,
  onClose,
}: {
  readonly title: string
  readonly name: string
  readonly what: string
  readonly verb: string
  readonly onConfirm: () => Promise<void>
  readonly onClose: () => void
}): JSX.Element {
  const [typed, setTyped] = useState('')
  return (
    <DialogForm
      title={title}
      onClose={onClose}
      onSubmit={onConfirm}
      buttons={
        <button type="submit" class="danger" disabled={typed !== name}>
          {verb}
        </button>
      }
    >
      <p>{what}</p>
      <label>
        Type <strong>{name}</strong> to go on
        <input
          name="confirm"
          value={typed}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
    </DialogForm>
  )
}

/** A text of a form's field. */
export function textField(fields: FormData, name: string): string {
  const value = fields.get(name)
  return typeof value === 'string' ? value : ''
}
