/**
 * What commands share: how they are added to the program, and how commander's
 * own errors become ours. Commander repeats what was typed; what was typed in
 * the wrong place may be a secret, so its words are never shown.
 *
 * @packageDocumentation
 */

import { Command, CommanderError, Option } from 'commander'
import { Fault } from '../errors.js'
import { nearest } from '../suggest.js'
import type { App } from './app.js'
import type { Io } from './io.js'

/** Adds a command, or a family of them, to its parent. */
export type AddCommand = (parent: Command, app: App) => void

/** Collects a repeatable option. */
export const repeatable = (value: string, before: readonly string[] | undefined): string[] => [
  ...(before ?? []),
  value,
]

/** `--env NAME`, which every command that means an environment has. {@link useVariables} gives it its default. */
export const environmentOption = (): Option =>
  new Option('-e, --env <environment>', 'environment to use (default: TRACELESS_ENV, else "main")')

/**
 * Lets `TRACELESS_ENV` stand for `--env` where that is not given. Commander's own way reads the process's variables,
 * which are not always those of the command.
 */
export function useVariables(program: Command, env: Io['env']): void {
  const environment = env['TRACELESS_ENV'] ?? ''
  if (environment === '') return
  program.hook('preAction', (_program, command) => {
    const takesOne = command.options.some((option) => option.attributeName() === 'env')
    if (takesOne && command.getOptionValue('env') === undefined) {
      command.setOptionValueWithSource('env', environment, 'env')
    }
  })
}

/** `--group NAME`, repeatable. */
export const groupOption = (): Option =>
  new Option('-g, --group <name>', 'add the secrets of a group (repeatable)').argParser(repeatable)

/**
 * `--allow NAME=PATH`.
 *
 * @throws {@link Fault} `REQUEST_INVALID`.
 */
export function allowRule(text: string): { readonly secret: string; readonly path: string } {
  const at = text.indexOf('=')
  if (at <= 0 || at === text.length - 1) throw new Fault('REQUEST_INVALID', '--allow takes NAME=PATH.')
  return { secret: text.slice(0, at), path: text.slice(at + 1) }
}

/** `--json`, which every command that prints a result has. */
export const jsonOption = (): Option => new Option('--json', 'print the result as JSON')

/** A program that throws where commander would print and exit. */
export function quietProgram(name: string): Command {
  return new Command(name)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined })
    .showSuggestionAfterError(false)
    .enablePositionalOptions()
}

/** Whether commander ended because it printed help or the version. */
export const isHelp = (error: CommanderError): boolean =>
  error.code === 'commander.helpDisplayed' ||
  error.code === 'commander.version' ||
  error.code === 'commander.help'

/**
 * Turns commander's error into a fault that repeats nothing that was typed.
 *
 * @param argv - what was typed, to find the known word that was meant.
 */
export function usageFault(error: CommanderError, program: Command, argv: readonly string[]): Fault {
  const command = commandFor(program, argv)
  const path = pathOf(command)
  const help = `See "${path} --help".`
  switch (error.code) {
    case 'commander.unknownOption': {
      const known = command.options.flatMap(({ long, short }) =>
        [long, short].filter((flag) => flag !== undefined),
      )
      return new Fault('REQUEST_INVALID', `"${path}" has no such option.`, {
        hint: suggestion(unknownFlag(argv, known), known) ?? help,
      })
    }
    case 'commander.unknownCommand': {
      const known = command.commands.flatMap((child) => [child.name(), ...child.aliases()])
      return new Fault('REQUEST_INVALID', `"${path}" has no such command.`, {
        hint: suggestion(wordBehind(program, argv), known) ?? help,
      })
    }
    case 'commander.missingArgument':
      return new Fault('REQUEST_INVALID', `"${path}" lacks an argument.`, { hint: help })
    case 'commander.excessArguments':
      return new Fault('REQUEST_INVALID', `"${path}" was given too many arguments.`, { hint: help })
    case 'commander.optionMissingArgument':
      return new Fault('REQUEST_INVALID', `An option of "${path}" lacks its value.`, { hint: help })
    case 'commander.invalidArgument': {
      const option = wrongChoice(command, argv)
      if (option === undefined) break
      return new Fault(
        'REQUEST_INVALID',
        `"${path}" takes no such value for ${option.long ?? option.flags}.`,
        {
          hint: `It is one of ${(option.argChoices ?? []).join(', ')}.`,
        },
      )
    }
  }
  return new Fault('REQUEST_INVALID', `"${path}" cannot be called like this.`, { hint: help })
}

/** The option with choices that was given none of them. */
function wrongChoice(command: Command, argv: readonly string[]): Option | undefined {
  return command.options.find(({ long, argChoices }) => {
    if (argChoices === undefined || long === undefined) return false
    const at = argv.findIndex((word) => word === long || word.startsWith(`${long}=`))
    const word = argv[at]
    const given = word === long ? argv[at + 1] : word?.slice(long.length + 1)
    return given !== undefined && !argChoices.includes(given)
  })
}

/** The innermost command that the words lead to. */
export const commandFor = (program: Command, argv: readonly string[]): Command => walk(program, argv).command

/** The first word that leads no further. */
const wordBehind = (program: Command, argv: readonly string[]): string | undefined =>
  walk(program, argv).behind

function walk(program: Command, argv: readonly string[]): { command: Command; behind: string | undefined } {
  let command = program
  for (const word of argv) {
    if (word.startsWith('-')) continue
    const next = command.commands.find((child) => child.name() === word || child.aliases().includes(word))
    if (next === undefined) return { command, behind: word }
    command = next
  }
  return { command, behind: undefined }
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

function unknownFlag(argv: readonly string[], known: readonly string[]): string | undefined {
  return argv
    .map((word) => word.split('=')[0] ?? '')
    .find((flag) => flag.startsWith('--') && !known.includes(flag))
}

function suggestion(typed: string | undefined, known: readonly string[]): string | undefined {
  const meant = typed === undefined ? undefined : nearest(typed, known)
  return meant === undefined ? undefined : `Did you mean ${meant}?`
}
