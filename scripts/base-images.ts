/**
 * Makes the base images of the demo and the tests in the engine at
 * `DOCKER_HOST`, from two root file systems and through the engine's API alone:
 * nothing is pulled, and no docker CLI is needed.
 *
 * `tsx scripts/base-images.ts RECIPE PYTHON.tar TINY.tar DEBS`, as
 * `scripts/base-image.sh` calls it. An image that this recipe made is left as
 * it is.
 *
 * @packageDocumentation
 */

import { createReadStream } from 'node:fs'
import Docker from 'dockerode'

/** How an image is made of another one: a program run in it as root, then changes of its configuration. */
interface Variant {
  readonly tag: string
  readonly from: string
  readonly shell: string
  /** Folders of this machine to mount, by path in the image. */
  readonly mounts?: Readonly<Record<string, string>>
  /** Dockerfile instructions, as `docker commit --change` takes them. */
  readonly changes: readonly string[]
}

const REPOSITORY = 'traceless-base'
/** Label that says which recipe an image was made with. */
const RECIPE_LABEL = 'traceless.recipe'
const PATH = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const [recipe, python, tiny, debs] = process.argv.slice(2)
if (recipe === undefined || python === undefined || tiny === undefined || debs === undefined) {
  throw new TypeError('usage: base-images.ts RECIPE PYTHON.tar TINY.tar DEBS')
}

const VARIANTS: readonly Variant[] = [
  { tag: 'nogit', from: 'bookworm', shell: 'dpkg --purge --force-depends git', changes: [] },
  { tag: 'nopip', from: 'bookworm', shell: 'dpkg --purge --force-depends python3-pip', changes: [] },
  { tag: 'user', from: 'bookworm', shell: 'useradd --create-home app', changes: ['USER app'] },
  {
    tag: 'venv',
    from: 'bookworm',
    // Without its own pip, because Debian ships pip's wheel apart; the one of the system serves it.
    shell: 'python3 -m venv --without-pip --system-site-packages /opt/venv',
    changes: ['ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  },
  { tag: 'onbuild', from: 'tiny', shell: 'true', changes: ['ONBUILD RUN true'] },
  {
    tag: 'ssh',
    from: 'venv',
    shell: 'dpkg --install --force-depends /mnt/*.deb',
    mounts: { '/mnt': debs },
    changes: ['ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  },
]

const engine = new Docker()
const label = `LABEL ${RECIPE_LABEL}=${recipe}`

await unlessMade('bookworm', (tag) => importTar(tag, python, [PATH, 'CMD ["python3"]', label]))
await unlessMade('tiny', (tag) => importTar(tag, tiny, [PATH, 'CMD ["/bin/sh"]', label]))
for (const variant of VARIANTS) await unlessMade(variant.tag, (tag) => derive(tag, variant))

async function unlessMade(tag: string, make: (tag: string) => Promise<void>): Promise<void> {
  const images = await engine.listImages({ filters: { reference: [`${REPOSITORY}:${tag}`] } })
  if (images.some(({ Labels }) => Labels[RECIPE_LABEL] === recipe)) return
  console.error(`Making ${REPOSITORY}:${tag}`)
  await make(tag)
}

/** Makes an image of one layer out of a root file system. */
async function importTar(tag: string, file: string, changes: readonly string[]): Promise<void> {
  const answer = await engine.importImage(createReadStream(file), { repo: REPOSITORY, tag, changes })
  // The stream ends well even when it carries an error record; only following it tells.
  await new Promise<void>((resolve, reject) => {
    engine.modem.followProgress(answer, (error) => (error === null ? resolve() : reject(error)))
  })
}

/** Makes an image out of another one with one more layer. */
async function derive(tag: string, { from, shell, mounts = {}, changes }: Variant): Promise<void> {
  const container = await engine.createContainer({
    Image: `${REPOSITORY}:${from}`,
    Cmd: ['/bin/sh', '-ec', shell],
    HostConfig: {
      NetworkMode: 'none',
      Binds: Object.entries(mounts).map(([at, folder]) => `${folder}:${at}:ro`),
    },
  })
  try {
    await container.start()
    const { StatusCode: status } = (await container.wait()) as { StatusCode: number }
    if (status !== 0) throw new Error(`the step of ${REPOSITORY}:${tag} ended with status ${String(status)}`)
    // Committing keeps the command of the container, which was ours and not the image's.
    await container.commit({
      repo: REPOSITORY,
      tag,
      changes: ['CMD ["/bin/sh"]', label, ...changes].join('\n'),
    })
  } finally {
    await container.remove({ force: true })
  }
}
