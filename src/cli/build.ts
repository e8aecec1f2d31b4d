/**
 * `traceless build`: an image from a requirement list or a Dockerfile.
 *
 * @packageDocumentation
 */

import { resolve } from 'node:path'
import { Option } from 'commander'
import type { Listener } from '../builder/events.js'
import type { Report } from '../builder/report.js'
import { isAddress, type BuildOptions, type BuildRequest } from '../builder/request.js'
import { Fault } from '../errors.js'
import type { RemoteBuild } from '../remote/builds.js'
import {
  allowRule,
  environmentOption,
  groupOption,
  jsonOption,
  repeatable,
  type AddCommand,
} from './command.js'
import { readAtMost, type Io } from './io.js'
import { showProgress, type ProgressMode } from './progress.js'
import { archiveFile } from './output-option.js'
import { resultFile } from './result-file.js'
import { readSecretOptions, type SecretOptions } from './secret-option.js'
import { composeRequest } from './compose-option.js'
import { readSshOptions, sshKey } from './ssh-option.js'

interface BuildFlags {
  readonly requirements?: string
  readonly base?: string
  readonly apt?: string
  readonly workdir?: string
  readonly copy?: readonly string[]
  readonly delivery?: 'auto' | 'lifted' | 'filled'
  readonly isolate?: boolean
  readonly installer?: 'pip' | 'uv'
  readonly sshKey?: readonly string[]
  readonly knownHosts?: string
  readonly ssh?: readonly string[]
  readonly compose?: string
  readonly file?: string
  readonly secret?: readonly string[]
  readonly allowMissing?: readonly string[]
  readonly target?: string
  readonly buildContext?: readonly string[]
  readonly tag?: readonly string[]
  readonly env?: string
  readonly group?: readonly string[]
  readonly network?: 'default' | 'host' | 'none'
  readonly buildArg?: readonly string[]
  readonly label?: readonly string[]
  readonly addHost?: readonly string[]
  readonly platform?: string
  readonly cgroupParent?: string
  readonly cache: boolean
  readonly onRotate?: 'rebuild' | 'keep'
  readonly refresh?: readonly string[]
  readonly pull?: boolean
  readonly timeout?: string
  readonly guard?: 'environment' | 'plan'
  readonly allowUnguarded?: readonly string[]
  readonly allow?: readonly string[]
  readonly strict?: boolean
  readonly checkOnly?: boolean
  readonly builder?: string
  readonly builderTls?: string
  readonly push?: boolean
  readonly pushCredentials?: string
  readonly output?: string
  readonly iidfile?: string
  readonly metadataFile?: string
  readonly progress: ProgressMode
  readonly json?: boolean
}

/** Largest Dockerfile that is read from standard input, in bytes. */
const MAX_DOCKERFILE_BYTES = 4 << 20

/** Adds the command. */
export const addBuild: AddCommand = (parent, app) => {
  parent
    .command('build')
    .summary('build an image with secrets, prove that it holds none, then name it')
    .description(
      'Builds an image from a requirement list (-r FILE --base IMAGE) or a Dockerfile (-f FILE … CONTEXT).\nThe image gets its name only after every layer was read and no secret was found in it.',
    )
    .argument(
      '[context]',
      'folder of the build context (with -f; default: none), or service (with --compose)',
    )
    .option('-t, --tag <name:tag>', 'name for the image (repeatable)', repeatable)
    .addOption(environmentOption())
    .addOption(groupOption())
    .option('-r, --requirements <file>', 'pip requirement list, or pyproject.toml')
    .option('--base <image>', 'image to install into (with -r)')
    .option('--apt <packages>', 'Debian packages to install first, separated by commas (with -r)')
    .option('--workdir <path>', 'working directory of the image (with -r)')
    .option(
      '--copy <src:dst>',
      'files to copy into the image after the installation (with -r, repeatable)',
      repeatable,
    )
    .addOption(
      new Option('--delivery <way>', 'how credentials reach pip (with -r)').choices([
        'auto',
        'lifted',
        'filled',
      ]),
    )
    .option('--isolate', 'run the code of packages only where no credential is (with -r)')
    .addOption(
      new Option('--installer <name>', 'what installs (with -r; default: pip)').choices(['pip', 'uv']),
    )
    .option(
      '--ssh-key <name[,host=host]>',
      'stored key for repositories over SSH (with -r, repeatable)',
      repeatable,
    )
    .option('--known-hosts <file>', 'public keys of the SSH servers that are believed (with -r)')
    .option('--compose <file>', 'build a service of a Compose file, with its build secrets')
    .option('-f, --file <file>', 'Dockerfile, "-" for standard input')
    .option(
      '--secret <spec>',
      'id=ID[,name=NAME|,env=VARIABLE|,src=FILE|,src=-] (with -f, repeatable)',
      repeatable,
    )
    .option(
      '--ssh <id[=name]>',
      'SSH agent that steps may mount: the running one, a stored key, or a socket or key file by path (with -f, repeatable)',
      repeatable,
    )
    .option('--allow-missing <id>', 'let a required mount do without a value (repeatable)', repeatable)
    .option('--target <stage>', 'stage to build')
    .option('--build-context <name=value>', 'another context by name (repeatable)', repeatable)
    .addOption(new Option('--network <mode>', 'network of the steps').choices(['default', 'host', 'none']))
    .option('--build-arg <name=value>', 'build argument; never for a secret (repeatable)', repeatable)
    .option('--label <name=value>', 'label of the image (repeatable)', repeatable)
    .option('--add-host <name:address>', 'entry for /etc/hosts (repeatable)', repeatable)
    .option('--platform <platform>', 'such as linux/arm64')
    .option('--cgroup-parent <cgroup>', 'cgroup of the engine whose limits hold for the steps')
    .option('--no-cache', 'run every step again')
    .addOption(
      new Option('--on-rotate <way>', 'what steps do whose secret was changed').choices(['rebuild', 'keep']),
    )
    .option(
      '--refresh <name>',
      'run the steps again that mount this secret, "all" for every secret (repeatable)',
      repeatable,
    )
    .option('--pull', 'look for newer base images')
    .option('--timeout <time>', 'end the build after that time, such as 90s, 10m or 1h')
    .addOption(
      new Option(
        '--guard <scope>',
        'search the image for every secret of the environment, or for those of this build',
      ).choices(['environment', 'plan']),
    )
    .option(
      '--allow-unguarded <name>',
      'accept a value that is too short to be searched for (repeatable)',
      repeatable,
    )
    .option(
      '--allow <name=path>',
      'accept a secret in a file, or below a folder that ends in "/" (repeatable)',
      repeatable,
    )
    .option('--strict', 'refuse also what is unread in the base image, or inherited from it')
    .option('--check-only', 'check the request and stop before anything is built')
    .option(
      '--builder <address>',
      'BuildKit daemon that builds: tcp://host:port, unix:///path (BUILDKIT_HOST)',
    )
    .option('--builder-tls <folder>', 'ca.pem, cert.pem and key.pem for it (BUILDKIT_TLS_DIR)')
    .option('--push', 'push the image to the registries of its names, after the proof')
    .option(
      '--push-credentials <name>',
      'the stored secret that holds USER:PASSWORD for the registry (with --server)',
    )
    .option('--output <spec>', 'write the proven image as an archive: type=oci,dest=FILE')
    .option('--iidfile <file>', 'write the digest of the image to a file')
    .option('--metadata-file <file>', 'write the result as JSON to a file')
    .addOption(
      new Option('--progress <mode>', 'how progress is shown')
        .choices(['auto', 'plain', 'tty', 'quiet', 'json'])
        .default('auto'),
    )
    .addOption(jsonOption())
    .action(async (context: string | undefined, flags: BuildFlags) => {
      const { io } = app
      const idFile = await resultFile(flags.iidfile, '--iidfile', io)
      const metadataFile = await resultFile(flags.metadataFile, '--metadata-file', io)
      using secrets = await readSecretOptions(flags.secret ?? [], io)
      const request = await requestOf(context, flags, { io, secrets })
      const address = flags.builder ?? io.env['BUILDKIT_HOST'] ?? ''
      if (address !== '')
        app.useBuilder({ address, tlsFolder: flags.builderTls ?? io.env['BUILDKIT_TLS_DIR'] ?? '' })
      const builder = await app.builder({
        pushCredentials: flags.pushCredentials,
        onSubmitted: (build) => tellSubmitted(build, flags, io),
      })
      const show = showProgress(
        io,
        flags.json === true && flags.progress === 'auto' ? 'quiet' : flags.progress,
      )
      let report: Report | undefined
      const onEvent: Listener = (event) => {
        show(event)
        if (event.type === 'report') report = event.report
      }
      const result = await builder.build(request, { onEvent, signal: io.signal }).catch((error: unknown) => {
        // A program that reads the result has to learn why there is none.
        if (flags.json === true && report !== undefined)
          io.out(JSON.stringify({ image: null, tags: [], report }, null, 2))
        throw error
      })
      if (result === null) {
        if (flags.json === true) io.out(JSON.stringify({ checked: true }))
        else io.out('The request is sound.')
        return
      }
      const json = JSON.stringify(result, null, 2)
      await idFile.write(result.image)
      await metadataFile.write(`${json}\n`)
      io.out(flags.json === true ? json : result.image)
    })
}

/** A person can look after the build from elsewhere by its id. */
function tellSubmitted({ id }: RemoteBuild, { json, progress }: BuildFlags, io: Io): void {
  if (json === true || progress === 'quiet' || progress === 'json') return
  io.err(`build ${id}`)
}

async function requestOf(
  context: string | undefined,
  flags: BuildFlags,
  { io, secrets }: { readonly io: Io; readonly secrets: SecretOptions },
): Promise<BuildRequest> {
  const options = optionsOf(flags, io)
  if (flags.compose !== undefined) return fromCompose(context, { flags, options, io, secrets })
  if (flags.requirements !== undefined) {
    const misplaced =
      flags.file ??
      flags.target ??
      context ??
      flags.secret?.[0] ??
      flags.ssh?.[0] ??
      flags.buildContext?.[0] ??
      flags.allowMissing?.[0]
    if (misplaced !== undefined) {
      throw new Fault(
        'REQUEST_INVALID',
        'A build with -r takes no Dockerfile, context, --secret, --ssh, --allow-missing, --build-context or --target.',
      )
    }
    if (flags.base === undefined) {
      throw new Fault('REQUEST_INVALID', 'A build with -r needs the image to install into.', {
        hint: 'Give it with --base IMAGE.',
      })
    }
    return {
      ...options,
      requirements: { path: resolve(io.cwd, flags.requirements) },
      base: flags.base,
      apt: (flags.apt ?? '').split(',').filter((name) => name !== ''),
      ...(flags.workdir === undefined ? {} : { workdir: flags.workdir }),
      copy: (flags.copy ?? []).map(copyOf),
      ...(flags.delivery === undefined ? {} : { delivery: flags.delivery }),
      ...(flags.isolate === undefined ? {} : { isolate: flags.isolate }),
      ...(flags.installer === undefined ? {} : { installer: flags.installer }),
      ...(flags.sshKey === undefined ? {} : { sshKeys: flags.sshKey.map(sshKey) }),
      ...(flags.knownHosts === undefined ? {} : { knownHosts: resolve(io.cwd, flags.knownHosts) }),
    }
  }
  requireNoListOptions(flags)
  if (flags.file === undefined && context === undefined) {
    throw new Fault('REQUEST_INVALID', 'A build needs a requirement list or a Dockerfile.', {
      hint: 'Give -r FILE --base IMAGE, or -f FILE, or the folder of the context.',
    })
  }
  return {
    ...options,
    dockerfile: await dockerfileOf(flags.file, context, { io, secrets }),
    ...(context === undefined ? {} : { context: isAddress(context) ? context : resolve(io.cwd, context) }),
    secrets: secrets.sources,
    ...(flags.ssh === undefined ? {} : { ssh: await readSshOptions(flags.ssh, io) }),
    ...(flags.target === undefined ? {} : { target: flags.target }),
    allowMissing: flags.allowMissing ?? [],
    buildContexts: pairs(flags.buildContext ?? [], '--build-context'),
  }
}

function requireNoListOptions(flags: BuildFlags): void {
  if (
    flags.base !== undefined ||
    flags.apt !== undefined ||
    flags.workdir !== undefined ||
    flags.copy !== undefined ||
    flags.delivery !== undefined ||
    flags.isolate !== undefined ||
    flags.installer !== undefined ||
    flags.sshKey !== undefined ||
    flags.knownHosts !== undefined
  ) {
    throw new Fault(
      'REQUEST_INVALID',
      '--base, --apt, --workdir, --copy, --delivery, --isolate, --installer, --ssh-key and --known-hosts go with a requirement list.',
      {
        hint: 'Give one with -r FILE.',
      },
    )
  }
}

async function fromCompose(
  service: string | undefined,
  {
    flags,
    options,
    io,
    secrets,
  }: {
    readonly flags: BuildFlags
    readonly options: BuildOptions
    readonly io: Io
    readonly secrets: SecretOptions
  },
): Promise<BuildRequest> {
  if (flags.requirements !== undefined || flags.file !== undefined) {
    throw new Fault('REQUEST_INVALID', 'A build with --compose takes neither -r nor -f.')
  }
  requireNoListOptions(flags)
  const given = {
    file: flags.compose ?? '',
    service,
    options,
    secrets: secrets.sources,
    ssh: await readSshOptions(flags.ssh ?? [], io),
    target: flags.target,
    allowMissing: flags.allowMissing ?? [],
  }
  return composeRequest(given, io)
}

async function dockerfileOf(
  file: string | undefined,
  context: string | undefined,
  { io, secrets }: { readonly io: Io; readonly secrets: SecretOptions },
): Promise<{ readonly path: string } | { readonly text: string }> {
  if (file === undefined) return { path: resolve(io.cwd, context ?? '.', 'Dockerfile') }
  if (file !== '-') return { path: resolve(io.cwd, file) }
  if (secrets.usesStdin) {
    throw new Fault('REQUEST_INVALID', 'Standard input can be the Dockerfile or a secret, not both.')
  }
  const bytes = await readAtMost(io.stdin, MAX_DOCKERFILE_BYTES, 'The Dockerfile is larger than 4 MiB.')
  return { text: Buffer.from(bytes).toString('utf8') }
}

function optionsOf(flags: BuildFlags, io: Io): BuildOptions {
  return {
    tags: flags.tag ?? [],
    ...(flags.env === undefined ? {} : { environment: flags.env }),
    groups: flags.group ?? [],
    ...(flags.network === undefined ? {} : { network: flags.network }),
    buildArgs: pairs(flags.buildArg ?? [], '--build-arg', io.env),
    labels: pairs(flags.label ?? [], '--label'),
    extraHosts: flags.addHost ?? [],
    ...(flags.platform === undefined ? {} : { platform: flags.platform }),
    ...(flags.cgroupParent === undefined ? {} : { cgroupParent: flags.cgroupParent }),
    noCache: !flags.cache,
    ...(flags.onRotate === undefined ? {} : { onRotate: flags.onRotate }),
    refresh: flags.refresh ?? [],
    pull: flags.pull ?? false,
    ...(flags.timeout === undefined ? {} : { timeoutMs: timeOf(flags.timeout) }),
    ...(flags.guard === undefined ? {} : { guard: flags.guard }),
    allowUnguarded: flags.allowUnguarded ?? [],
    allow: (flags.allow ?? []).map(allowRule),
    strict: flags.strict ?? false,
    checkOnly: flags.checkOnly ?? false,
    push: flags.push ?? false,
    ...(flags.output === undefined ? {} : { archive: archiveFile(flags.output, io.cwd) }),
  }
}

/** `NAME=VALUE` pairs; a bare `NAME` takes the variable of that name where variables are given, as Docker's client does. */
function pairs(
  texts: readonly string[],
  option: string,
  variables: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> {
  const found: Record<string, string> = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    const name = at === -1 ? text : text.slice(0, at)
    const value = at === -1 ? variables[name] : text.slice(at + 1)
    if (name === '' || value === undefined) throw new Fault('REQUEST_INVALID', `${option} takes NAME=VALUE.`)
    found[name] = value
  }
  return found
}

function copyOf(text: string): { readonly from: string; readonly to: string } {
  const at = text.lastIndexOf(':')
  if (at <= 0 || at === text.length - 1) throw new Fault('REQUEST_INVALID', '--copy takes SRC:DST.')
  return { from: text.slice(0, at), to: text.slice(at + 1) }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

function timeOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  if (match === null) throw new Fault('REQUEST_INVALID', '--timeout takes a time such as 90s, 10m or 1h.')
  return Number(match[1]) * (UNITS[match[2] ?? 's'] ?? 1000)
}
