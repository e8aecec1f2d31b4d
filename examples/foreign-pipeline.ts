/**
 * Traceless inside a pipeline that already builds its own images: every stage
 * is called alone. The pipeline here posts its own context to the engine with
 * dockerode and only names our session; what it gets in return is secrets for
 * its mounts, a redacted log and a proof.
 *
 *     DOCKER_HOST=unix:///var/run/docker.sock npx tsx examples/foreign-pipeline.ts traceless-base:tiny
 *
 * In a project of your own, import from 'traceless'.
 */

import Docker from 'dockerode'
import { pack } from 'tar-stream'
import { needlesFor, openEngine, proveImage, Redactor, SecretValue, type Report } from '../src/index.js'

/** Builds an image with a secret by the engine's own build call, and proves it. */
export async function buildElsewhere(
  base: string,
  token: SecretValue,
  log: (text: string) => void,
): Promise<{ readonly image: string; readonly report: Report }> {
  const engine = await openEngine(process.env['DOCKER_HOST'])
  using needles = needlesFor([{ name: 'TOKEN', value: token }])

  // 1. A session that hands out one secret, to whichever build names it.
  using session = await engine.serveSecrets(new Map([['token', token]]))

  // 2. The pipeline's own build.
  const dockerfile = `FROM ${base}\nRUN --mount=type=secret,id=token,required=true wc -c < /run/secrets/token > /length\n`
  const image = await post(dockerfile, session.id, new Redactor(needles), log)

  // 3. The proof, before anything gets a name.
  const report = await proveImage(engine, image, { needles })
  engine.close()
  return { image, report }
}

/** Posts a build and gives the image's digest. The engine's words pass the redactor. */
async function post(
  dockerfile: string,
  session: string,
  redactor: Redactor,
  log: (text: string) => void,
): Promise<string> {
  const docker = new Docker()
  const context = pack()
  context.entry({ name: 'Dockerfile' }, dockerfile)
  context.finalize()
  // By hand: dockerode's buildImage opens a session of its own and forgets ours.
  const stream = await new Promise<AsyncIterable<Uint8Array>>((resolve, reject) => {
    docker.modem.dial(
      {
        method: 'POST',
        path: `/build?version=2&session=${session}&networkmode=host&`,
        file: context as never,
        isStream: true,
        statusCodes: { 200: true },
      },
      (error: unknown, answer: unknown) => {
        if (error instanceof Error) reject(error)
        else resolve(answer as AsyncIterable<Uint8Array>)
      },
    )
  })
  let text = ''
  for await (const chunk of stream) {
    text += Buffer.from(chunk).toString('utf8')
    log(Buffer.from(redactor.push(chunk)).toString('utf8'))
  }
  log(Buffer.from(redactor.end()).toString('utf8'))
  const image = /"ID":"(sha256:[0-9a-f]{64})"/.exec(text)?.[1]
  if (image === undefined) throw new Error('the engine built no image')
  return image
}

const [base] = process.argv.slice(2)
if (base !== undefined && process.argv[1]?.endsWith('foreign-pipeline.ts') === true) {
  const { image, report } = await buildElsewhere(
    base,
    SecretValue.fromText('a token of this example'),
    () => undefined,
  )
  console.log(image, report.verdict)
}
