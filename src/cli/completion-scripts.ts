/**
 * The scripts for bash, zsh and fish. Each walks the words before the cursor
 * down to a command and offers what the command has; names come from the
 * program when they are asked for.
 *
 * All text in them is this program's own: command names, options and their
 * descriptions.
 *
 * @packageDocumentation
 */

import {
  allCommands,
  commandName,
  type CommandNode,
  type Completed,
  type OptionNode,
} from './completion-tree.js'

/** For `source <(traceless completion bash)`; works from bash 4 on. */
export function bashScript(tree: CommandNode): string {
  const all = allCommands(tree)
  return `_traceless() {
  local at=${quoted(tree.path)} word words=''
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
${walkCases(all, '      ')}
    esac
  done
  COMPREPLY=()
  case "$at $prev" in
${valueCases(all, '    ', (value) => `${bashWords(value)}mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"); return`)}
  esac
  case "$at" in
${all.map((node) => `    ${quoted(node.path)}) ${bashWords(node.argument)}words+=${quoted(offered(node).join(' '))} ;;`).join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _traceless ${tree.path}`
}

const bashWords = (value: Completed): string => {
  switch (value.kind) {
    case 'words':
      return `words=${quoted(`${value.words.join(' ')} `)}; `
    case 'names':
      return `words="$(traceless completion names ${value.of} 2>/dev/null) "; `
    case 'files':
      return ''
  }
}

/** For `source <(traceless completion zsh)`, or a file `_traceless` in `$fpath`. */
export function zshScript(tree: CommandNode): string {
  const all = allCommands(tree)
  return `#compdef ${tree.path}
_traceless() {
  local at=${quoted(tree.path)} word
  local -a offers
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
${walkCases(all, '      ')}
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${valueCases(all, '    ', (value) => `${zshValue(value)}; return`)}
  esac
  case "$at" in
${all.map((node) => `    ${quoted(node.path)}) ${zshOffers(node)} ;;`).join('\n')}
  esac
  _describe ${quoted(tree.path)} offers
}
if [[ "\${funcstack[1]}" == _traceless ]]; then _traceless "$@"; else compdef _traceless ${tree.path}; fi`
}

const zshValue = (value: Completed): string => {
  switch (value.kind) {
    case 'words':
      return `compadd -- ${value.words.map(quoted).join(' ')}`
    case 'names':
      return `compadd -- \${(f)"$(traceless completion names ${value.of} 2>/dev/null)"}`
    case 'files':
      return '_files'
  }
}

function zshOffers(node: CommandNode): string {
  const offers = [
    ...node.commands.map((child) => `${commandName(child)}:${child.text}`),
    ...node.options.flatMap(({ flags, text }) =>
      flags.slice(0, 1).map((flag) => `${flag}:${firstLine(text)}`),
    ),
  ]
  const value = node.commands.length > 0 ? '' : `${zshValue(node.argument)}; `
  return `${value}offers=(${offers.map(quoted).join(' ')})`
}

/** For `traceless completion fish | source`. */
export function fishScript(tree: CommandNode): string {
  const all = allCommands(tree)
  const walk = steps(all).map(
    ({ words, path }) =>
      `      case ${words.map(quotedForFish).join(' ')}\n        set at ${quotedForFish(path)}`,
  )
  const lines = all.flatMap((node) => {
    const rule = `complete -c ${tree.path} -n ${quotedForFish(`test (__traceless_at) = "${node.path}"`)}`
    return [
      ...node.commands.map(
        (child) => `${rule} -f -a ${commandName(child)} -d ${quotedForFish(firstLine(child.text))}`,
      ),
      ...(node.commands.length > 0 || node.argument.kind === 'files'
        ? []
        : [`${rule} -f -a ${fishValue(node.argument)}`]),
      ...node.options.map(
        (option) => `${rule} ${fishOption(option)} -d ${quotedForFish(firstLine(option.text))}`,
      ),
    ]
  })
  return `function __traceless_at
  set -l at ${quotedForFish(tree.path)}
  for word in (commandline -opc)[2..]
    switch "$at $word"
${walk.join('\n')}
    end
  end
  echo $at
end
${lines.join('\n')}`
}

function fishOption({ flags, value }: OptionNode): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
  if (value === null) return names.join(' ')
  return [...names, '-r', ...(value.kind === 'files' ? ['-F'] : ['-f', '-a', fishValue(value)])].join(' ')
}

const fishValue = (value: Exclude<Completed, { kind: 'files' }>): string =>
  quotedForFish(
    value.kind === 'words' ? value.words.join(' ') : `(traceless completion names ${value.of} 2>/dev/null)`,
  )

/** Each step from a command to one below it, by its name or another one it has. */
const steps = (
  all: readonly CommandNode[],
): readonly { readonly words: readonly string[]; readonly path: string }[] =>
  all.flatMap((node) =>
    node.commands.map((child) => ({
      words: [commandName(child), ...child.aliases].map((word) => `${node.path} ${word}`),
      path: child.path,
    })),
  )

const walkCases = (all: readonly CommandNode[], indent: string): string =>
  steps(all)
    .map(({ words, path }) => `${indent}${words.map(quoted).join('|')}) at=${quoted(path)} ;;`)
    .join('\n')

function valueCases(all: readonly CommandNode[], indent: string, act: (value: Completed) => string): string {
  return all
    .flatMap((node) =>
      node.options.flatMap(({ flags, value }) =>
        value === null
          ? []
          : [`${indent}${flags.map((flag) => quoted(`${node.path} ${flag}`)).join('|')}) ${act(value)} ;;`],
      ),
    )
    .join('\n')
}

const offered = ({ commands, options }: CommandNode): readonly string[] => [
  ...commands.map(commandName),
  ...options.flatMap(({ flags }) => flags.slice(0, 1)),
]

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** Fish knows `\\` and `\'` between single quotes. */
const quotedForFish = (text: string): string => `'${text.replace(/[\\']/g, String.raw`\$&`)}'`
