import { describe, expect, it } from 'vitest'
import { readMount, writeMount, type SecretMount } from '../../src/builder/secret-mount.js'

const plain: SecretMount = {
  id: 'tok',
  target: '/run/secrets/tok',
  required: true,
  env: undefined,
  mode: undefined,
  uid: undefined,
  gid: undefined,
}

describe('readMount', () => {
  it.for<[text: string, expected: Partial<SecretMount>, why: string]>([
    ['type=secret,id=tok', {}, 'the default target'],
    ['TYPE=Secret,ID=tok', {}, 'keys and the type in any case'],
    ['type=secret,src=tok', {}, 'src is id'],
    ['type=secret,source=tok', {}, 'source is id'],
    ['type=secret,id=a,id=tok', {}, 'the last of two equal keys'],
    ['type=secret,id=a/b/tok', { id: 'a/b/tok' }, 'the target is the last part of the id'],
    ['type=secret,target=/x/tok', { target: '/x/tok' }, 'the id is the last part of the target'],
    ['type=secret,id=tok,dst=/t', { target: '/t' }, 'dst is target'],
    ['type=secret,id=tok,destination=t', { target: 't' }, 'a relative target stays'],
    ['type=secret,id=tok,required', {}, 'a bare switch'],
    ['type=secret,id=tok,required=true', {}, 'a switch with a value'],
    ['type=secret,id=tok,required=0', { required: false }, 'a switch that is off'],
    ['type=secret,id=tok,required=False', { required: false }, 'a switch that is off, in any case'],
    ['type=secret,id=tok,mode=0440,uid=1,gid=2', { mode: '0440', uid: '1', gid: '2' }, 'owner and mode'],
    ['type=secret,id=tok,env=TOK', { env: 'TOK', target: undefined }, 'a variable instead of a file'],
    ['type=secret,id=tok,env=TOK,target=/t', { env: 'TOK', target: '/t' }, 'a variable and a file'],
    ['type=secret,"id=a,b",target=/t', { id: 'a,b', target: '/t' }, 'a quoted field'],
  ])('%s (%3$s)', ([text, expected]) => {
    expect(readMount(text)).toEqual({ type: 'secret', mount: { ...plain, ...expected } })
  })

  it.for([
    ['type=secret', 'no id and no target'],
    ['type=secret,id=', 'an empty id'],
    ['type=secret,id=${X}', 'an id with a variable'],
    ['type=secret,id=tok,target=/$X', 'a target with a variable'],
    ['type=secret,id=tok,colour=red', 'an unknown option'],
    ['type=secret,id=tok,required=maybe', 'a switch that is neither'],
    ['type=secret,"id=tok', 'a quote that is not closed'],
    ['type=secret,id="tok"', 'a quote inside a field'],
  ])('refuses %s: %s', ([text]) => {
    expect(readMount(text ?? '').type).toBe('invalid')
  })

  it('leaves mounts of other types alone', () => {
    expect(readMount('type=cache,target=/c,sharing=private')).toMatchObject({
      kind: 'cache',
      options: new Map([
        ['type', 'cache'],
        ['target', '/c'],
        ['sharing', 'private'],
      ]),
    })
    expect(readMount('from=build,source=/a,target=/b')).toMatchObject({ kind: 'bind', from: 'build' })
  })
})

describe('writeMount', () => {
  it.for<Partial<SecretMount>>([
    {},
    { required: false, mode: '0400', uid: '5', gid: '6' },
    { target: undefined, env: 'TOK' },
    { target: '/a,b' },
    { target: '/a "quoted" name' },
    { target: String.raw`/back\slash` },
  ])('writes what readMount reads: %j', (change) => {
    const mount = { ...plain, ...change }
    const flag = writeMount(mount)
    // As BuildKit takes a flag apart: a backslash takes the next character as it is.
    const unescaped = flag.slice('--mount='.length).replace(/\\(.)/g, '$1')
    expect(readMount(unescaped)).toEqual({ type: 'secret', mount })
    expect(flag.replace(/\\./g, '')).not.toMatch(/[\s"']/)
  })
})
