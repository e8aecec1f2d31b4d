import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { Traces } from '../../src/docker/progress.js'
import { StatusResponseSchema, type StatusResponse } from '../../src/docker/proto/gen/control_pb.js'

const at = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 })

interface Step {
  readonly digest?: string
  readonly name?: string
  readonly cached?: boolean
  readonly started?: number
  readonly completed?: number
  readonly error?: string
}

const status = (step: Step, log?: string): StatusResponse =>
  create(StatusResponseSchema, {
    vertexes: [
      {
        digest: step.digest ?? 'd',
        name: step.name ?? '[2/2] RUN make',
        cached: step.cached ?? false,
        error: step.error ?? '',
        ...(step.started === undefined ? {} : { started: at(step.started) }),
        ...(step.completed === undefined ? {} : { completed: at(step.completed) }),
      },
    ],
    logs: log === undefined ? [] : [{ vertex: step.digest ?? 'd', stream: 1n, msg: Buffer.from(log) }],
  })

describe('Traces', () => {
  it('tells a step that two targets share once, and its output by one of them', () => {
    const traces = new Traces(2)
    const events = [
      ...traces.take(0, status({ started: 1 }, 'one')),
      ...traces.take(1, status({ started: 1 }, 'one')),
      ...traces.take(1, status({ started: 1, completed: 2 })),
      ...traces.take(0, status({ started: 1, completed: 2 })),
    ]
    expect(events.map((event) => (event.type === 'step' ? event.state : event.type))).toEqual([
      'started',
      'log',
      'done',
    ])
    expect(traces.divergent()).toEqual([])
  })

  it.for<[why: string, one: Step, other: Step, divergent: boolean]>([
    ['ran once for both', { started: 1, completed: 2 }, { started: 1, completed: 2 }, false],
    ['came from the cache for both', { cached: true, started: 1 }, { cached: true, started: 3 }, false],
    ['ran twice', { started: 1, completed: 2 }, { started: 3, completed: 4 }, true],
    ['ran for one and came from the cache for the other', { started: 1 }, { cached: true, started: 1 }, true],
    [
      'copies that ran twice',
      { name: '[2/2] COPY a b', started: 1 },
      { name: '[2/2] COPY a b', started: 2 },
      false,
    ],
    ['was not reached by one', { started: 1 }, {}, false],
  ])('a step that %s', ([, one, other, divergent]) => {
    const traces = new Traces(2)
    traces.take(0, status(one))
    traces.take(1, status(other))
    expect(traces.divergent()).toEqual(divergent ? ['[2/2] RUN make'] : [])
  })

  it('notices that a step ran again though its last record says cached', () => {
    const traces = new Traces(2)
    traces.take(0, status({ started: 1, completed: 2 }))
    traces.take(1, status({ started: 1 }))
    traces.take(1, status({ started: 1, cached: true }))
    expect(traces.divergent()).toEqual(['[2/2] RUN make'])
  })

  it('tells what failed, and what was cancelled', () => {
    const traces = new Traces(1)
    const states = (error: string, digest: string) =>
      traces
        .take(0, status({ digest, error, started: 1 }))
        .map((event) => (event.type === 'step' ? event.state : ''))
    expect(states('process did not complete successfully: exit code: 1', 'a')).toEqual(['failed'])
    expect(states('context canceled', 'b')).toEqual(['canceled'])
  })
})
