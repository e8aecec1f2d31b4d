/**
 * The processes that build.
 *
 * @packageDocumentation
 */

import type { JSX } from 'preact'
import { useLoaded } from './model.js'
import { Badge, Empty, Page, Table, When } from './parts.js'
import { hrefOf } from './route.js'
import type { Worker } from './wire.js'

/** How often the list is loaded again, in milliseconds. */
const REFRESH_MS = 5_000

/** Lists workers. */
export function Workers(): JSX.Element {
  const { data } = useLoaded(
    (api, signal) => api.get<{ workers: readonly Worker[] }>('/workers', signal),
    ['workers'],
    REFRESH_MS,
  )
  return (
    <Page
      title="Workers"
      lead="They build. None of them holds an identity: a keyholder opens what one build needs."
    >
      {data?.workers.length ? (
        <Table label="Workers" head={['Name', 'Host', 'Engine', 'Status', 'Builds', 'Since', 'Seen']}>
          {data.workers.map((worker) => (
            <tr key={worker.id}>
              <th scope="row">{worker.name}</th>
              <td>{worker.host}</td>
              <td>{engineText(worker.engine)}</td>
              <td>
                {worker.draining ? (
                  <Badge tone="warn">draining</Badge>
                ) : worker.builds.length > 0 ? (
                  <Badge tone="busy">building</Badge>
                ) : (
                  <Badge tone="good">idle</Badge>
                )}
              </td>
              <td>
                {worker.builds.length === 0
                  ? '–'
                  : worker.builds.map((id) => (
                      <a key={id} href={hrefOf({ page: 'build', id })}>
                        <code>{id.slice(0, 8)}</code>
                      </a>
                    ))}
              </td>
              <td>
                <When at={worker.startedAt} />
              </td>
              <td>
                <When at={worker.seenAt} />
              </td>
            </tr>
          ))}
        </Table>
      ) : (
        <Empty loading={data === undefined}>
          No worker is there. <code>traceless worker</code> starts one.
        </Empty>
      )}
    </Page>
  )
}

/** The words that an engine has for itself. */
const engineText = (engine: Worker['engine']): string =>
  ['name', 'version', 'os', 'platform']
    .map((field) => engine[field])
    .filter((value): value is string => typeof value === 'string')
    .join(' ')
