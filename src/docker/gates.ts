/**
 * What depends on the version of an engine, in one table with its sources. A
 * feature of the Dockerfile frontend comes with the BuildKit that an engine
 * contains (https://github.com/moby/moby/blob/master/vendor.mod at the engine's
 * tag), so each of those has a version of both.
 *
 * @packageDocumentation
 */

import semver from 'semver'
import type { EngineInfo } from './engine.js'

/** Something that not every engine can do. */
export interface Gate {
  /** For people: the subject of a sentence, in the plural. */
  readonly words: string
  /** First versions that have it. */
  readonly docker: string
  readonly buildkit: string
}

/** Every gate by name. */
export const GATES = {
  // The first engine whose own frontend knows `RUN --mount=type=secret` without a syntax line: BuildKit 0.8,
  // https://docs.docker.com/engine/release-notes/20.10/. Of BuildKit alone 0.11 is the oldest that was tried.
  build: { words: 'Builds with secrets', docker: '20.10.0', buildkit: '0.11.0' },
  // Dockerfile 1.4, https://docs.docker.com/build/buildkit/dockerfile-release-notes/#140, BuildKit 0.10.
  'here-document': { words: 'Here-documents', docker: '23.0.0', buildkit: '0.10.0' },
  // The same: an older frontend would look the name up as an image.
  'named-context': { words: 'Other build contexts', docker: '23.0.0', buildkit: '0.10.0' },
  // The attribute `cgroup-parent` of the frontend, BuildKit 0.10; an older one leaves it unread, and the limit with it.
  'cgroup-parent': { words: 'Builds within a cgroup', docker: '23.0.0', buildkit: '0.10.0' },
  // Dockerfile 1.3, https://docs.docker.com/build/buildkit/dockerfile-release-notes/#130, BuildKit 0.9.
  'step-network': { words: 'Networks of single steps', docker: '23.0.0', buildkit: '0.9.0' },
  // Dockerfile 1.10, https://docs.docker.com/build/buildkit/dockerfile-release-notes/#1100, BuildKit 0.16.
  'env-mount': { words: 'Secret mounts with "env"', docker: '27.3.0', buildkit: '0.16.0' },
} as const satisfies Record<string, Gate>

/** A key of {@link GATES}. */
export type GateName = keyof typeof GATES

/** A version of the engine's HTTP API. Compared by number: 1.9 is older than 1.41. */
export type ApiVersion = readonly [major: number, minor: number]

/** Versions of the API at which something changes: https://docs.docker.com/reference/api/engine/version-history/ */
export const API = {
  /** Newest that this code was written against (engine 29). */
  newest: [1, 55],
  /** From here on `POST /grpc` and `POST /session` are deprecated, and the API's own socket speaks gRPC. */
  grpcOnSocket: [1, 53],
} as const satisfies Record<string, ApiVersion>

/** Whether a version is that one or newer. Debian's `20.10.24+dfsg1` counts as `20.10.24`. */
export function isAtLeast(version: string, since: string): boolean {
  const coerced = semver.coerce(version)
  return coerced !== null && semver.gte(coerced, since)
}

/** Whether an engine can do it. */
export const passes = (
  name: GateName,
  { product, version }: Pick<EngineInfo, 'product' | 'version'>,
): boolean => isAtLeast(version, GATES[name][product])

/** What is needed and what was found, in one sentence. */
export function gateText(
  name: GateName,
  { product, version }: Pick<EngineInfo, 'product' | 'version'>,
): string {
  const { words, docker, buildkit } = GATES[name]
  return product === 'docker'
    ? `${words} need Docker ${docker} or newer, and the engine is ${version}.`
    : `${words} need BuildKit ${buildkit} or newer, and the builder is ${version}.`
}

/** Reads a version of the API, such as `1.41`. */
export function apiVersion(text: string): ApiVersion {
  const [major = 1, minor = 0] = text.split('.').map(Number)
  return [major, minor]
}

/** Negative where the first is older. */
export const compareApi = (a: ApiVersion, b: ApiVersion): number => a[0] - b[0] || a[1] - b[1]
