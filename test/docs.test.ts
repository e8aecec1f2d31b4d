/** The README's tables are compared with what the code says. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { VERSION } from '../src/cli/version.js'
import { FAULTS } from '../src/errors.js'

const root = resolve(import.meta.dirname, '..')
const text = (name: string): string => readFileSync(resolve(root, name), 'utf8')
const manifest = JSON.parse(text('package.json')) as {
  version: string
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

describe('README', () => {
  it('lists every fault code with its exit status', () => {
    const rows = [...text('README.md').matchAll(/^\| ([\d ]+) \| [^|]* \|([^|]*)\|$/gm)]
    const listed = new Map(
      rows.flatMap(([, statuses = '', codes = '']) =>
        [...codes.matchAll(/`([A-Z_]+)`/g)].map(([, code = ''], index) => {
          const all = statuses.trim().split(' ')
          return [code, Number(all.length > 1 ? all[index] : all[0])]
        }),
      ),
    )
    expect(Object.fromEntries(listed)).toEqual(
      Object.fromEntries(Object.entries(FAULTS).map(([code, { exit }]) => [code, exit])),
    )
  })
})

describe('package.json', () => {
  it('has the version that the program prints', () => {
    expect(manifest.version).toBe(VERSION)
  })
  it('pins every package exactly', () => {
    const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))).toEqual([])
  })
})

describe('documents', () => {
  it.for(['README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'CONTRIBUTING.md'])(
    '%s links to files that exist',
    (name) => {
      for (const [, target = ''] of text(name).matchAll(/\]\(([^)#]+)\)/g)) {
        if (!target.includes('://')) expect(() => text(target), target).not.toThrow()
      }
    },
  )
})
