/**
 * What can be completed, read from the commands themselves.
 *
 * @packageDocumentation
 */

import type { Command, Option } from 'commander'

/** What stands for a value that a person may type. */
export type Completed =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'names'; readonly of: 'secrets' | 'groups' | 'environments' }
  | { readonly kind: 'files' }

/** An option of a command. */
export interface OptionNode {
  /** With their dashes. */
  readonly flags: readonly string[]
  readonly text: string
  /** What its value is; `null` for an option without one. */
  readonly value: Completed | null
}

/** A command. */
export interface CommandNode {
  /** The words that lead to it, the program's name first. */
  readonly path: string
  readonly aliases: readonly string[]
  readonly text: string
  readonly commands: readonly CommandNode[]
  readonly options: readonly OptionNode[]
  /** What its arguments are. */
  readonly argument: Completed
}

/** Commands whose arguments are names of secrets. */
const OF_SECRETS = new Set(['unset', 'history', 'versions', 'rollback', 'usage'])

/** Commands of `groups` whose argument is the name of one. */
const OF_GROUPS = new Set(['info', 'update', 'delete'])

/** Reads the commands below one. */
export function completionTree(command: Command, parent = ''): CommandNode {
  const path = `${parent} ${command.name()}`.trimStart()
  const help = command.createHelp()
  return {
    path,
    aliases: command.aliases(),
    text: command.summary(),
    commands: help
      .visibleCommands(command)
      .filter((child) => child.name() !== 'help')
      .map((child) => completionTree(child, path)),
    options: help.visibleOptions(command).map(optionNode),
    argument: argumentOf(command),
  }
}

/** The command and all below it. */
export const allCommands = (node: CommandNode): readonly CommandNode[] => [
  node,
  ...node.commands.flatMap(allCommands),
]

/** Last word of the path. */
export const commandName = ({ path }: CommandNode): string => path.slice(path.lastIndexOf(' ') + 1)

function optionNode(option: Option): OptionNode {
  const { long, short, description } = option
  return {
    flags: [long, short].filter((flag) => flag !== undefined),
    text: description,
    value: option.required || option.optional ? valueOf(option) : null,
  }
}

function valueOf(option: Option): Completed {
  if (option.argChoices !== undefined) return { kind: 'words', words: option.argChoices }
  if (option.attributeName() === 'env') return { kind: 'names', of: 'environments' }
  if (option.attributeName() === 'group') return { kind: 'names', of: 'groups' }
  return { kind: 'files' }
}

function argumentOf(command: Command): Completed {
  const choices = command.registeredArguments[0]?.argChoices
  if (choices !== undefined) return { kind: 'words', words: choices }
  if (OF_SECRETS.has(command.name())) return { kind: 'names', of: 'secrets' }
  const parent = command.parent?.name()
  if (parent === 'groups' && OF_GROUPS.has(command.name())) return { kind: 'names', of: 'groups' }
  if (parent === 'environments' && command.name() === 'delete') return { kind: 'names', of: 'environments' }
  return { kind: 'files' }
}
