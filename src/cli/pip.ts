/**
 * `traceless pip`: a local pip with private requirements.
 *
 * @packageDocumentation
 */

import { environmentOption, groupOption, type AddCommand } from './command.js'

interface PipFlags {
  readonly env?: string
  readonly group?: readonly string[]
  readonly python?: string
}

/** Adds the command. */
export const addPip: AddCommand = (parent, app) => {
  const command = parent
    .command('pip')
    .summary('run a local pip with private requirements')
    .description(
      'Runs pip with requirement lists that have secrets as user names or passwords of URLs. The list pip sees has none:\nthey wait in memory for git and for pip, and stand in no file, argument or variable. What pip prints is masked.\nEnds with its exit status; 125, 126 and 127 are failures of our own.',
    )
    .argument('<arguments...>', 'arguments of pip, such as: install -r requirements.txt')
    .addOption(environmentOption())
    .addOption(groupOption())
    .option('--python <program>', 'Python whose pip is meant (default: the pip of the PATH)')
    .passThroughOptions()
    .action(async (args: readonly string[], flags: PipFlags) => {
      const { io } = app
      const [{ runPip }, { reader: secrets, usage }] = await Promise.all([
        import('../runner/pip.js'),
        app.store(),
      ])
      app.status = await runPip(
        {
          args,
          environment: flags.env,
          groups: flags.group,
          python: flags.python,
          variables: io.env,
          cwd: io.cwd,
        },
        { secrets, usage },
        { console: io.console(), signal: io.signal },
      )
    })
  app.standIns.add(command)
}
