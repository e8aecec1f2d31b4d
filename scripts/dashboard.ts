/**
 * Puts the dashboard together: `dist/server/dashboard/index.html`, and below
 * `assets` one script, one style sheet and a few pictures, each with its digest
 * in its name. `manifest.json` lists them with their types, and nothing else is
 * served.
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'

const root = resolve(import.meta.dirname, '..')
const source = join(root, 'src/server/dashboard')
const target = join(root, 'dist/server/dashboard')

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Pictures that a style sheet holds as `data:` become files: the page's policy lets no other kind of address in. */
const picturesAsFiles: Plugin = {
  name: 'pictures as files',
  setup(bundler) {
    const pictures: string[] = []
    bundler.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      const contents = text.replace(
        /url\("data:image\/svg\+xml,((?:[^"\\]|\\.)*)"\)/g,
        (_, picture: string) => {
          pictures.push(decodeURIComponent(picture.replace(/\\(.)/g, '$1')))
          return `url("picture:${String(pictures.length - 1)}")`
        },
      )
      return { contents, loader: 'css' }
    })
    bundler.onResolve({ filter: /^picture:/ }, ({ path }) => ({
      path: `${path.slice(8)}.svg`,
      namespace: 'picture',
    }))
    bundler.onLoad({ filter: /.*/, namespace: 'picture' }, ({ path }) => ({
      contents: pictures[Number(basename(path, '.svg'))] ?? '',
      loader: 'file',
    }))
  },
}

await rm(target, { recursive: true, force: true })
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: [join(source, 'main.tsx'), join(source, 'icon.svg')],
  outdir: join(target, 'assets'),
  entryNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  loader: { '.svg': 'copy' },
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: ['chrome120', 'firefox120', 'safari17'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  metafile: true,
  plugins: [picturesAsFiles],
  logLevel: 'warning',
})

const made = Object.keys(metafile.outputs).map((path) => `assets/${basename(path)}`)
const named = (name: string, extension: string): string => {
  const found = made.find((path) => basename(path).startsWith(`${name}-`) && extname(path) === extension)
  if (found === undefined) throw new Error(`the bundler made no ${name}${extension}`)
  return `/${found}`
}
const page = await readFile(join(source, 'index.html'), 'utf8')
const filled = page
  .replace('%icon%', named('icon', '.svg'))
  .replace('%style%', named('main', '.css'))
  .replace('%script%', named('main', '.js'))
await mkdir(target, { recursive: true })
await writeFile(join(target, 'index.html'), filled)
await writeFile(
  join(target, 'manifest.json'),
  `${JSON.stringify({ files: Object.fromEntries(made.map((path) => [path, TYPES[extname(path)]])) }, null, 2)}\n`,
)
