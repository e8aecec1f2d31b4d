/**
 * Small helper programs: credential helpers, identity commands. What goes in
 * goes by standard input, what comes out stays bytes, and a failure tells the
 * program's name and exit status, never its arguments or its words: both can
 * hold a secret.
 *
 * Floor 0: the owner of execa, whose errors carry command line and output
 * and therefore end here. It is loaded when a program is run: most commands run
 * none, and would take longer to start.
 *
 * @packageDocumentation
 */

/** How a program ended: `missing` when it could not be started, `status` `null` when a signal or the time limit ended it. */
export type Ended =
  | { readonly kind: 'done'; readonly stdout: Uint8Array }
  | { readonly kind: 'failed'; readonly status: number | null; readonly stdout: Uint8Array }
  | { readonly kind: 'missing' }

/**
 * Runs a program to its end.
 *
 * @param input - written to its standard input.
 * @param options - `timeoutMs` ends a program that hangs; `limitBytes` bounds what it may print (default 1 MiB).
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  input: Uint8Array,
  options: {
    timeoutMs: number
    limitBytes?: number
    signal?: AbortSignal
    env?: Readonly<Record<string, string>>
  },
): Promise<Ended> {
  const { execa, ExecaError } = await import('execa')
  try {
    const { stdout } = await execa(file, args, {
      input,
      encoding: 'buffer',
      stderr: 'ignore',
      stripFinalNewline: false,
      timeout: options.timeoutMs,
      maxBuffer: options.limitBytes ?? 1 << 20,
      ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
      ...(options.env === undefined ? {} : { env: options.env }),
    })
    return { kind: 'done', stdout }
  } catch (error) {
    if (!(error instanceof ExecaError)) throw error
    if (error.code === 'ENOENT' || error.code === 'EACCES') return { kind: 'missing' }
    const stdout: unknown = error.stdout
    return {
      kind: 'failed',
      status: error.exitCode ?? null,
      stdout: stdout instanceof Uint8Array ? stdout : new Uint8Array(),
    }
  }
}
