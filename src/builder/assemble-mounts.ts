/**
 * The mounts of a Dockerfile of one's own, as the engine gets them: an opaque
 * id for each, and what is served for it.
 *
 * @packageDocumentation
 */

import type { SshAgent } from '../docker/ssh-agent.js'
import { SecretValue, type SecretName } from '../secret.js'
import type { Placed, ReadDockerfile, Stage } from './dockerfile-read.js'
import type { DerivedSource } from './list-sources.js'
import type { MountLabels } from './mount-labels.js'
import type { Workshop } from './prepared.js'
import { writeMount, writeSshMount, type SecretMount, type SshMount } from './secret-mount.js'
import { agentSource, ownAgent, type CheckedAgent } from './ssh-mounts.js'
import { heldOf, type MountSource, type SecretStep } from './step-choice.js'

/** Where a mount's value comes from, once it is decided. */
export type Resolved =
  | { readonly kind: 'value'; readonly value: SecretValue }
  | { readonly kind: 'stored'; readonly name: SecretName }
  | { readonly kind: 'derived'; readonly source: DerivedSource }
  | { readonly kind: 'absent' }

/** What the mounts of a build come to. */
export interface AssembledMounts {
  /** Values by opaque id, but for steps that are to be kept. */
  readonly mounts: ReadonlyMap<string, SecretValue>
  readonly agents: ReadonlyMap<string, SshAgent>
  /** Those of stages that are reached. */
  readonly secretSteps: readonly SecretStep[]
  /** The flag to write in place of one that was read. */
  flagOf(placed: Placed<unknown>): string
}

type Mount =
  | { readonly type: 'secret'; readonly placed: Placed<SecretMount> }
  | { readonly type: 'ssh'; readonly placed: Placed<SshMount> }

interface Source {
  readonly mount: MountSource
  readonly value?: SecretValue | undefined
  readonly agent?: SshAgent | undefined
}

/**
 * Chooses ids for all mounts, also of stages that are not reached: nothing is served for those.
 *
 * @param labels - gets what to call each id and each flag.
 * @throws {@link Fault} `REQUEST_INVALID` for an agent that cannot be used.
 */
export async function assembleMounts(
  dockerfile: ReadDockerfile,
  {
    reached,
    byId,
    agents,
    labels,
  }: {
    readonly reached: readonly Stage[]
    readonly byId: ReadonlyMap<string, Resolved>
    readonly agents: ReadonlyMap<string, CheckedAgent>
    readonly labels: MountLabels
  },
  workshop: Workshop,
): Promise<AssembledMounts> {
  const all = dockerfile.stages.flatMap((stage) =>
    mountsOf(stage).map((mount) => ({ mount, stage, isReached: reached.includes(stage) })),
  )
  // Agents first, because one may fail: until then there are no copies of values to wipe.
  const agentSources = new Map<string, Source>()
  for (const [id, agent] of agents) agentSources.set(id, await agentSource(id, agent, workshop))
  const sources = all.map(({ mount, isReached }): Source => {
    const { id } = mount.placed.mount
    if (mount.type === 'secret') return secretSource(id, isReached ? byId.get(id) : undefined, workshop)
    const found = isReached ? agentSources.get(id) : undefined
    return found ?? { mount: { kind: 'absent', id: `ssh:${id}` } }
  })
  const steps = await workshop.choose(
    all.map(({ mount, stage }, index) => ({
      ...(sources[index]?.mount ?? fail()),
      command: mount.placed.command,
      stage: stage.index,
    })),
  )
  const values = new Map<string, SecretValue>()
  const served = new Map<string, SshAgent>()
  const flags = new Map<Placed<unknown>, string>()
  all.forEach(({ mount, isReached }, index) => {
    const [step, source] = [steps[index] ?? fail(), sources[index] ?? fail()]
    const { id, required } = mount.placed.mount
    labels.add(step.id, id)
    if (source.value !== undefined && !step.kept && !values.has(step.id)) values.set(step.id, source.value)
    else source.value?.[Symbol.dispose]()
    if (source.agent !== undefined && !step.kept) served.set(step.id, ownAgent(source.agent))
    // One that is there is required, so that no step can run without it and be taken for one that ran with it.
    const isThere = source.value !== undefined || source.agent !== undefined
    const flag = flagText(mount, { id: step.id, required: isReached ? isThere : required })
    flags.set(mount.placed, flag)
    if (isReached) {
      const written = dockerfile.text.slice(mount.placed.start, mount.placed.end)
      labels.add(flag, written.replaceAll(`${dockerfile.escape}\n`, ''))
    }
  })
  return {
    mounts: values,
    agents: served,
    secretSteps: steps.filter((_step, index) => all[index]?.isReached === true),
    flagOf: (placed) => flags.get(placed) ?? fail(),
  }
}

const fail = (): never => {
  throw new TypeError('a mount was not assembled')
}

/** In the order in which they stand in the file. */
const mountsOf = (stage: Stage): readonly Mount[] =>
  [
    ...stage.mounts.map((placed) => ({ type: 'secret' as const, placed })),
    ...stage.sshMounts.map((placed) => ({ type: 'ssh' as const, placed })),
  ].sort((a, b) => a.placed.start - b.placed.start)

function flagText(mount: Mount, changed: { readonly id: string; readonly required: boolean }): string {
  return mount.type === 'secret'
    ? writeMount({ ...mount.placed.mount, ...changed })
    : writeSshMount({ ...mount.placed.mount, ...changed })
}

/** What a mount is made from, and a value of its own that the assembly's owner wipes. */
function secretSource(id: string, found: Resolved | undefined, { stored }: Workshop): Source {
  const absent: Source = { mount: { kind: 'absent', id } }
  switch (found?.kind) {
    case 'value':
      return { mount: { kind: 'given', id, value: found.value }, value: copy(found.value) }
    case 'stored': {
      const held = stored.get(found.name)
      return held === undefined
        ? absent
        : { mount: { kind: 'stored', secret: held }, value: copy(held.value) }
    }
    case 'derived': {
      const { value, shape } = found.source.make(
        new Map([...stored].map(([name, secret]) => [name, secret.value])),
      )
      const secrets = heldOf(found.source.names, stored)
      return { mount: { kind: 'derived', use: 'source', shape, secrets }, value }
    }
    case 'absent':
    case undefined:
      return absent
  }
}

const copy = (value: SecretValue): SecretValue => value.use((bytes) => new SecretValue(bytes))
