/**
 * `traceless completion`: scripts that complete commands, options and names in
 * a shell.
 *
 * @packageDocumentation
 */

import { existsSync } from 'node:fs'
import { Argument } from 'commander'
import { completionTree } from './completion-tree.js'
import type { App } from './app.js'
import type { AddCommand } from './command.js'

const SHELLS = ['bash', 'zsh', 'fish'] as const

const NAMED = ['secrets', 'groups', 'environments'] as const

/** Adds the command. */
export const addCompletion: AddCommand = (parent, app) => {
  const completion = parent
    .command('completion')
    .summary('print a script that completes commands in a shell')
    .description(
      'Prints a script that completes commands, options and names in a shell.\n\n  bash:  source <(traceless completion bash)         in ~/.bashrc\n  zsh:   source <(traceless completion zsh)          in ~/.zshrc, after compinit\n  fish:  traceless completion fish | source          in ~/.config/fish/config.fish',
    )
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .action(async (shell: (typeof SHELLS)[number]) => {
      const tree = completionTree(parent)
      app.io.out((await scriptOf(shell))(tree))
    })
  completion
    .command('names', { hidden: true })
    .addArgument(new Argument('<kind>', 'what to name').choices(NAMED))
    .action(async (kind: (typeof NAMED)[number]) => {
      for (const name of await namesOf(kind, app)) app.io.out(name)
    })
}

async function scriptOf(
  shell: (typeof SHELLS)[number],
): Promise<(typeof import('./completion-scripts.js'))['bashScript']> {
  const { bashScript, fishScript, zshScript } = await import('./completion-scripts.js')
  switch (shell) {
    case 'bash':
      return bashScript
    case 'zsh':
      return zshScript
    case 'fish':
      return fishScript
  }
}

/** Names in the store. A key that is pressed to complete a word must not make one. */
async function namesOf(kind: (typeof NAMED)[number], app: App): Promise<ReadonlySet<string>> {
  const { homeOf } = await import('../store/home.js')
  const { env } = app.io
  if (!app.isRemote && (env['TRACELESS_DATABASE'] ?? '') === '' && !existsSync(homeOf(env).database))
    return new Set()
  const admin = await app.admin()
  switch (kind) {
    case 'secrets':
      return new Set((await admin.list()).map(({ name }) => name))
    case 'groups':
      return new Set((await admin.groups.list({})).map(({ name }) => name))
    case 'environments':
      return new Set((await admin.environments()).map(({ name }) => name))
  }
}
