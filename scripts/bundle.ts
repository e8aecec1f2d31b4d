/**
 * The last step of `npm run build`: puts each program of `dist/cli` into few
 * files, because Node takes longer to find the hundreds of modules below it
 * than to run them. What other programs import (`dist/index.js` and the rest)
 * stays as the compiler wrote it.
 */

import { resolve } from 'node:path'
import { build } from 'esbuild'
import manifest from '../package.json' with { type: 'json' }

/** Packages that nearly every command loads. The others are found where they are installed, when they are needed. */
const BUNDLED = new Set(['@hpke/core', 'commander', 'fastest-levenshtein', 'kysely', 'picocolors'])

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
  sourcemap: true,
  // Half of the text is half of the time that it takes to be read; names stay, for the sake of stacks.
  minifyWhitespace: true,
  minifySyntax: true,
  external: installed.filter((name) => !BUNDLED.has(name)),
  // Packages in the older format ask for Node's own modules with this function.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  logLevel: 'warning',
})
