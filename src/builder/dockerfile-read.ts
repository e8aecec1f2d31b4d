/**
 * What a Dockerfile asks for: its stages, who builds on whom, and the secrets
 * that its steps mount. Instructions are found by dockerfile-ast; their flags
 * are read here, because its ranges are wrong for flags that are quoted or
 * broken over lines.
 *
 * @packageDocumentation
 */

import { Copy, DockerfileParser, Run, type Dockerfile, type Instruction } from 'dockerfile-ast'
import type { Problem } from '../errors.js'
import { logicalLine, placeOf, splitFlags, type Word } from './dockerfile-lines.js'
import { readMount, type SecretMount, type SshMount } from './secret-mount.js'

/** A mount and the place of its flag in the file. */
export interface Placed<M> {
  readonly mount: M
  readonly start: number
  readonly end: number
  readonly line: number
  readonly column: number
  /** What the step runs, as the engine's records repeat it but for white space. */
  readonly command: string
}

/** A secret mount in its place. */
export type PlacedMount = Placed<SecretMount>

/** The mount of an agent in its place. */
export type PlacedSshMount = Placed<SshMount>

/** What a stage starts from or copies from. */
export type StageSource =
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'scratch' }

/** Options of a mount of type `cache`, by their lower-case names. */
export type CacheMount = ReadonlyMap<string, string>

/** One `FROM` and what follows it. */
export interface Stage {
  readonly index: number
  /** The name as written; `undefined` for a stage without one. */
  readonly name: string | undefined
  /** Where ` AS name` can be written behind the image. */
  readonly nameAt: number
  readonly base: StageSource
  /** Whether its `FROM` says `--platform`, whatever the build is for. */
  readonly hasOwnPlatform: boolean
  /** Sources of `COPY --from` and `RUN --mount=from=`. */
  readonly uses: readonly StageSource[]
  readonly mounts: readonly PlacedMount[]
  readonly sshMounts: readonly PlacedSshMount[]
  readonly cacheMounts: readonly CacheMount[]
  readonly hasOnBuildSecret: boolean
  /** Whether any instruction can give it a layer of its own. */
  readonly hasLayers: boolean
  readonly line: number
}

/** A Dockerfile, read. */
export interface ReadDockerfile {
  readonly text: string
  readonly stages: readonly Stage[]
  /** Value of a `# syntax=` line. */
  readonly syntax: string | undefined
  readonly escape: string
  readonly hasHereDocument: boolean
  readonly problems: readonly Problem[]
}

/** What names outside the Dockerfile mean inside it. */
export interface DockerfileSurroundings {
  /** Name for messages. */
  readonly file: string
  readonly buildArgs: ReadonlyMap<string, string>
  /** Names of `--build-context`, which hide images and stages of the same name. */
  readonly namedContexts: ReadonlySet<string>
}

/** Reads a Dockerfile; whatever is wrong with it is in `problems`, with its place. */
export function readDockerfile(text: string, surroundings: DockerfileSurroundings): ReadDockerfile {
  return new Reader(text, surroundings).read()
}

/** A stage while it is read. */
interface OpenStage {
  name: string | undefined
  nameAt: number
  base: StageSource
  hasOwnPlatform: boolean
  uses: StageSource[]
  mounts: PlacedMount[]
  sshMounts: PlacedSshMount[]
  cacheMounts: CacheMount[]
  hasOnBuildSecret: boolean
  hasLayers: boolean
  line: number
}

const LAYER_KEYWORDS = new Set(['RUN', 'COPY', 'ADD', 'WORKDIR'])

class Reader {
  readonly #text: string
  readonly #around: DockerfileSurroundings
  readonly #ast: Dockerfile
  readonly #escape: string
  readonly #starts: readonly number[]
  readonly #stages: OpenStage[] = []
  readonly #problems: Problem[] = []
  readonly #globals = new Map<string, string | undefined>()

  constructor(text: string, surroundings: DockerfileSurroundings) {
    this.#text = text
    this.#around = surroundings
    this.#ast = DockerfileParser.parse(text)
    this.#escape = this.#directive('escape') ?? '\\'
    this.#starts = lineStarts(text)
  }

  read(): ReadDockerfile {
    for (const instruction of this.#ast.getInstructions()) this.#instruction(instruction)
    if (this.#stages.length === 0 && this.#problems.length === 0) {
      this.#problem(0, 'The Dockerfile has no FROM.')
    }
    return {
      text: this.#text,
      stages: this.#stages.map((stage, index) => ({ ...stage, index })),
      syntax: this.#directive('syntax'),
      escape: this.#escape,
      hasHereDocument: this.#ast.getInstructions().some(hasHereDocument),
      problems: this.#problems,
    }
  }

  #instruction(instruction: Instruction): void {
    const keyword = instruction.getKeyword()
    const { start: from } = instruction.getRange()
    const start = (this.#starts[from.line] ?? 0) + from.character
    // The ranges are another program's: what is not where they say must not be rewritten.
    if (this.#text.slice(start, start + keyword.length).toUpperCase() !== keyword) {
      this.#problem(start, 'An instruction could not be found where it should be.')
      return
    }
    const { flags, rest } = splitFlags(logicalLine(this.#text, start, this.#escape))
    const stage = this.#stages.at(-1)
    if (keyword === 'FROM') this.#from(start, flags, rest)
    else if (stage === undefined) {
      if (keyword === 'ARG') this.#globalArguments(rest)
    } else if (keyword === 'ONBUILD') this.#onBuild(stage, rest)
    else {
      if (LAYER_KEYWORDS.has(keyword)) stage.hasLayers = true
      if (keyword === 'RUN') {
        const command = this.#command(instruction, rest)
        for (const flag of flags) this.#runFlag(stage, flag, command)
      }
      if (keyword === 'COPY') for (const flag of flags) this.#copyFlag(stage, flag)
    }
  }

  #from(start: number, flags: readonly Word[], rest: readonly Word[]): void {
    const [image, as, name] = rest
    if (image === undefined) {
      this.#problem(start, 'FROM names no image.')
      return
    }
    const reference = this.#expand(image)
    this.#stages.push({
      name: as?.text.toUpperCase() === 'AS' ? name?.text : undefined,
      nameAt: image.end,
      base: this.#source(reference),
      hasOwnPlatform: flags.some((flag) => flagValue(flag, '--platform') !== undefined),
      uses: [],
      mounts: [],
      sshMounts: [],
      cacheMounts: [],
      hasOnBuildSecret: false,
      hasLayers: false,
      line: placeOf(this.#text, start).line,
    })
  }

  #runFlag(stage: OpenStage, flag: Word, command: string): void {
    const value = flagValue(flag, '--mount')
    if (value === undefined) return
    const read = readMount(value)
    const place = { start: flag.start, end: flag.end, ...placeOf(this.#text, flag.start), command }
    switch (read.type) {
      case 'secret':
        stage.mounts.push({ mount: read.mount, ...place })
        return
      case 'ssh':
        stage.sshMounts.push({ mount: read.mount, ...place })
        return
      case 'invalid':
        this.#problem(flag.start, read.message)
        return
      case 'other':
        if (read.from !== undefined) stage.uses.push(this.#source(read.from))
        if (read.kind === 'cache') stage.cacheMounts.push(read.options)
        return
    }
  }

  /** The lines of a here-document, the words of the exec form, or the text as it stands. */
  #command(instruction: Instruction, rest: readonly Word[]): string {
    const document = instruction instanceof Run ? instruction.getHeredocs()[0]?.getContentRange() : undefined
    if (document !== undefined && document !== null) {
      const { start, end } = document
      return this.#text.slice(
        (this.#starts[start.line] ?? 0) + start.character,
        (this.#starts[end.line] ?? 0) + end.character,
      )
    }
    const text = rest.map((word) => word.text).join(' ')
    return execForm(text)?.join(' ') ?? text
  }

  #copyFlag(stage: OpenStage, flag: Word): void {
    const from = flagValue(flag, '--from')
    if (from !== undefined) stage.uses.push(this.#source(from))
  }

  #onBuild(stage: OpenStage, rest: readonly Word[]): void {
    const text = rest.map((word) => word.text).join(' ')
    if (/^RUN\s/i.test(text) && /--mount=\S*type=["']?(?:secret|ssh)/i.test(text))
      stage.hasOnBuildSecret = true
  }

  #globalArguments(rest: readonly Word[]): void {
    for (const { text } of rest) {
      const at = text.indexOf('=')
      const name = at === -1 ? text : text.slice(0, at)
      const fallback = at === -1 ? undefined : text.slice(at + 1).replace(/^(["'])(.*)\1$/, '$2')
      this.#globals.set(name, this.#around.buildArgs.get(name) ?? fallback)
    }
  }

  /** A stage by number or name (in any case, the latest before this one), else an image. */
  #source(reference: string): StageSource {
    if (/^\d+$/.test(reference) && Number(reference) < this.#stages.length) {
      return { kind: 'stage', index: Number(reference) }
    }
    if (this.#around.namedContexts.has(contextName(reference))) return { kind: 'scratch' }
    const index = this.#stages.findLastIndex((stage) => stage.name?.toLowerCase() === reference.toLowerCase())
    if (index !== -1) return { kind: 'stage', index }
    return reference === 'scratch' ? { kind: 'scratch' } : { kind: 'image', reference }
  }

  /** Fills the global ARGs into the name of an image. */
  #expand(image: Word): string {
    return image.text.replace(
      /\$(?:\{([A-Za-z_]\w*)(?::([-+])([^}]*))?\}|([A-Za-z_]\w*))/g,
      (
        _match,
        braced: string | undefined,
        sign: string | undefined,
        word: string | undefined,
        bare: string | undefined,
      ) => {
        const value = this.#globals.get(braced ?? bare ?? '')
        if (sign === '+') return value === undefined || value === '' ? '' : (word ?? '')
        if (value !== undefined && value !== '') return value
        if (sign === '-') return word ?? ''
        this.#problem(image.start, 'FROM names an ARG that has no value.')
        return ''
      },
    )
  }

  #directive(name: string): string | undefined {
    return this.#ast
      .getDirectives()
      .find((directive) => directive.getName().toLowerCase() === name)
      ?.getValue()
  }

  #problem(offset: number, message: string): void {
    this.#problems.push({
      code: 'DOCKERFILE_INVALID',
      message,
      file: this.#around.file,
      ...placeOf(this.#text, offset),
    })
  }
}

/** The words of `["program", "argument"]`; `undefined` for anything else, which a shell gets as it stands. */
function execForm(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined
  try {
    const words: unknown = JSON.parse(text)
    return Array.isArray(words) && words.every((word) => typeof word === 'string') ? words : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/**
 * The name by which BuildKit looks for a context in place of an image: without the parts that are understood anyway
 * (https://github.com/moby/buildkit/blob/master/frontend/dockerui/namedcontext.go).
 */
const contextName = (reference: string): string =>
  reference.replace(/^docker\.io\/(?:library\/)?/, '').replace(/:latest$/, '')

const hasHereDocument = (instruction: Instruction): boolean =>
  (instruction instanceof Run || instruction instanceof Copy) && instruction.getHeredocs().length > 0

function flagValue(flag: Word, name: string): string | undefined {
  return flag.text.toLowerCase().startsWith(`${name}=`) ? flag.text.slice(name.length + 1) : undefined
}

function lineStarts(text: string): readonly number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}
