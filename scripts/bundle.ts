/**
 * The last step of `npm run build`: puts each program of `dist/cli` into few
 * files, because Node takes longer to find the hundreds of modules below it
 * than to run them. What other programs import (`dist/index.js` and the rest)
 * stays as the compiler wrote it.
 */

import { resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import manifest from '../package.json' with { type: 'json' }

/**
 * Packages that are put into the programs. The others bring files of their own (native code, threads), or only a server
 * needs them: they are found where they are installed.
 */
const BUNDLED = new Set([
  '@balena/dockerignore',
  '@bufbuild/protobuf',
  '@connectrpc/connect',
  '@connectrpc/connect-node',
  '@hpke/core',
  'cli-table3',
  'commander',
  'dockerfile-ast',
  'dockerode',
  'execa',
  'fastest-levenshtein',
  'fzstd',
  'kysely',
  'picocolors',
  'semver',
  'smol-toml',
  'tar-stream',
  'yauzl',
])

/**
 * Parts of packages that are never called: dockerode has a BuildKit session and a way over ssh of its own, which begin with
 * half a megabyte of others' code. Ours are `src/docker/session.ts` and `src/docker/ssh.ts`.
 */
const withoutUnusedParts: Plugin = {
  name: 'without-unused-parts',
  setup(bundler) {
    const namespace = 'unused'
    bundler.onResolve({ filter: /^\.\/(?:session|buildkit|ssh)$/ }, ({ importer, path }) =>
      /\/node_modules\/(?:dockerode|docker-modem)\//.test(importer) ? { path, namespace } : undefined,
    )
    bundler.onLoad({ filter: /.*/, namespace }, ({ path }) => ({
      contents: `module.exports = () => { throw new Error(${JSON.stringify(`${path} is left out`)}) }`,
    }))
  },
}

const root = resolve(import.meta.dirname, '..')
const installed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })

await build({
  absWorkingDir: root,
  entryPoints: {
    main: 'src/cli/main.ts',
    'docker-plugin': 'src/cli/docker-plugin.ts',
    // Threads are started from the folder that the scan is in.
    'chunks/scan-worker': 'src/leak/parallel/scan-worker.ts',
  },
  outdir: 'dist/cli',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // A third of the text takes a good deal less time to be read. The maps beside it lead back to the sources.
  minify: true,
  sourcemap: true,
  external: installed.filter((name) => !BUNDLED.has(name)),
  plugins: [withoutUnusedParts],
  // Packages in the older format ask for Node's own modules with this function.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  logLevel: 'warning',
})
