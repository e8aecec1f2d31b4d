/**
 * What the runner needs of an engine's containers, in our own words. Types
 * only, like `engine.ts`.
 *
 * @packageDocumentation
 */

import type { Writable } from 'node:stream'

/** A container to make. The engine writes all of this to its disk and shows it to whoever may ask. */
export interface ContainerSpec {
  readonly image: string
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** `NAME=VALUE`, beside those of the image. */
  readonly env: readonly string[]
  /** `user[:group]`; `undefined` for the image's own. */
  readonly user: string | undefined
  readonly workdir: string | undefined
  readonly name: string | undefined
  /** Whether it has a terminal of its own. */
  readonly terminal: boolean
  /** `once`: standard input ends with our attachment. `open`: it stays open for the next one. */
  readonly stdin: 'none' | 'once' | 'open'
  /** `HOST:CONTAINER[:OPTIONS]`. */
  readonly volumes: readonly string[]
  /** Options of in-memory file systems by mount point. */
  readonly tmpfs: ReadonlyMap<string, string>
  /** `default`: the engine's own choice, the host's network where the engine has no other. */
  readonly network: string
  readonly ports: readonly PublishedPort[]
  /** Where the engine keeps the output: `none` keeps it nowhere. */
  readonly logDriver: string
  /** Whether a small init process runs in front of the command and takes its signals. */
  readonly init: boolean
  /** Whether the engine removes the container when it has ended. */
  readonly autoRemove: boolean
}

/** A port of the container and where it can be reached on the host. */
export interface PublishedPort {
  readonly container: number
  readonly protocol: 'tcp' | 'udp'
  /** Empty text: every address. */
  readonly address: string
  /** Empty text: any that is free. */
  readonly hostPort: string
}

/** A piece of output, cut anywhere. Of a terminal everything is `stdout`. */
export interface OutputPiece {
  readonly stream: 'stdout' | 'stderr'
  readonly bytes: Uint8Array
}

/** The streams of a container. Dispose it to let go of them; the container goes on. */
export interface Attachment extends Disposable {
  /** Ending it ends standard input and not the output. */
  readonly stdin: Writable
  /** Ends with the container, or with the connection. To be read once. */
  readonly output: AsyncIterable<OutputPiece>
}

/** A wait for the end of a container. Dispose it to wait no longer; the status is then never known. */
export interface Watch extends Disposable {
  /** The exit status. Rejects with a {@link Fault} where the engine does not know it. */
  readonly status: Promise<number>
}

/** What stands at a path of a container that was not started. Links are not followed. */
export type PathKind = 'file' | 'folder' | 'link' | 'other'

/** One container. */
export interface Container {
  readonly id: string
  /** Takes hold of its streams. Before the start, so that nothing is missed. */
  attach(): Promise<Attachment>
  /** Begins to wait for the end. When this resolves the engine has taken note: before the start, so that no end is missed. */
  watch(): Promise<Watch>
  /** @throws {@link Fault} `COMMAND_NOT_EXECUTABLE` when there is no such command, `RUN_FAILED` when the engine cannot. */
  start(): Promise<void>
  /** Sends a signal. A container that has ended is left alone. */
  kill(signal: NodeJS.Signals): Promise<void>
  resize(size: { readonly columns: number; readonly rows: number }): Promise<void>
  isRunning(): Promise<boolean>
  /** @returns `null` where there is nothing. */
  kindOf(path: string): Promise<PathKind | null>
  /**
   * Makes symbolic links, and the folders on their way, replacing what is no folder.
   *
   * @param links - targets by absolute path.
   * @throws {@link Fault} `REQUEST_INVALID` where a folder stands at such a path.
   */
  link(links: ReadonlyMap<string, string>): Promise<void>
  /** Ends and removes it. One that is gone is left as it is. */
  remove(): Promise<void>
}

/** Makes containers. */
export interface Containers {
  /**
   * @throws {@link Fault} `RUN_FAILED` when the engine refuses: the name is in use, an option makes no sense.
   */
  create(spec: ContainerSpec): Promise<Container>
}
