/**
 * `traceless exec`: a local command with secrets in its environment.
 *
 * @packageDocumentation
 */

import { environmentOption, groupOption, repeatable, type AddCommand } from './command.js'

interface ExecFlags {
  readonly env?: string
  readonly group?: readonly string[]
  readonly only?: readonly string[]
  readonly secretFile?: readonly string[]
}

/** Adds the command. */
export const addExec: AddCommand = (parent, app) => {
  const command = parent
    .command('exec')
    .summary('run a local command with secrets in its environment')
    .description(
      'Runs a command with the live secrets of an environment as its environment variables, and masks their values in what it\nprints. Ends with its exit status; 125, 126 and 127 are failures of our own, as with "docker run".',
    )
    .argument('<command...>', 'command and arguments; write "--" before them')
    .addOption(environmentOption())
    .addOption(groupOption())
    .option('--only <name>', 'use this secret and no others (repeatable)', repeatable)
    .option(
      '--secret-file <name>',
      'set the variable to a path from which the value can be read, instead of the value (repeatable)',
      repeatable,
    )
    .passThroughOptions()
    .action(async ([name = '', ...args]: readonly string[], flags: ExecFlags) => {
      const { io } = app
      const [{ execCommand }, { reader: secrets, usage }] = await Promise.all([
        import('../runner/exec.js'),
        app.store(),
      ])
      app.status = await execCommand(
        {
          command: [name, ...args],
          environment: flags.env,
          groups: flags.group,
          only: flags.only,
          files: flags.secretFile ?? [],
          variables: io.env,
          cwd: io.cwd,
        },
        { secrets, usage },
        { console: io.console(), signal: io.signal },
      )
    })
  app.standIns.add(command)
}
