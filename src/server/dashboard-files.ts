/**
 * The files of the dashboard: those that its build lists, and no others. Names
 * of assets hold a hash of what is in them, so that they are kept for good.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../store/home.js'

/** No script, style or request but the server's own. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const ASSET = /^assets\/[A-Za-z0-9._-]+$/

/**
 * Makes what answers with a file; `null` for a path that is none.
 *
 * @param folder - where the dashboard was built, with `index.html` and `manifest.json`. Without it there is no dashboard.
 */
export function dashboardFiles(folder: string): (path: string) => Promise<Response | null> {
  let types: Promise<ReadonlyMap<string, string>> | undefined
  return async (path) => {
    if (path === '/' || path === '/index.html') return await pageOf(folder)
    const name = path.slice(1)
    const type = (await (types ??= readTypes(folder))).get(name)
    if (type === undefined) return null
    return new Response(new Uint8Array(await readFile(join(folder, name))), {
      headers: {
        'content-type': type,
        'cache-control': 'public, max-age=31536000, immutable',
        'content-security-policy': POLICY,
      },
    })
  }
}

async function pageOf(folder: string): Promise<Response | null> {
  const page = await readOrNull(join(folder, 'index.html'))
  if (page === null) return null
  return new Response(new Uint8Array(page), {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': POLICY,
    },
  })
}

/** Types by name, as the manifest lists them: what is not in there is not served. */
async function readTypes(folder: string): Promise<ReadonlyMap<string, string>> {
  const text = await readOrNull(join(folder, 'manifest.json'))
  if (text === null) return new Map()
  const { files } = JSON.parse(text.toString('utf8')) as { files: Readonly<Record<string, string>> }
  return new Map(Object.entries(files).filter(([name]) => ASSET.test(name)))
}

async function readOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw error
  }
}
