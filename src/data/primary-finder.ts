import pg from 'pg'
import { type Clock, failed } from '../base/index.ts'
import type { Address, Connection } from './pool.ts'
import { clientOptions } from './pool.ts'

/**
 * Which server of a cluster is its primary. Nobody tells us: when something is amiss, all of them are asked at once, until one takes
 * writes. A primary of an older timeline than has been seen was deposed and does not know it: it is never gone back to.
 */
export interface PrimaryFinder {
  /** Where it was last found. */
  readonly current: Address
  /** Something is amiss there: looks in the background, and moves. Nothing, where there is one host only. */
  suspect(): void
  /** While they are asked: resolves when a primary is found. */
  readonly looking: Promise<void> | undefined
  close(): void
}

/** How long a host may take to answer, how long others are waited for when one has, and how long until all are asked again; in milliseconds. */
const [answerMs, othersMs, pauseMs] = [1_000, 200, 100]

export function createPrimaryFinder(connection: Connection, clock: Clock, moved: (to: Address) => void): PrimaryFinder {
  const hosts = connection.hosts ?? []
  let current: Address = { host: connection.host, port: connection.port }
  let [timeline, looking]: [number, Promise<void> | undefined] = [0, undefined]
  const closing = new AbortController()

  const look = async () => {
    while (!closing.signal.aborted) {
      const found = await newest(hosts.map((host) => ask(connection, host)), clock)
      if (found && found.timeline >= timeline) {
        timeline = found.timeline
        if (found.address.host !== current.host || found.address.port !== current.port) moved(current = found.address)
        return
      }
      await clock.sleep(pauseMs, closing.signal)
    }
  }
  const suspect = () => { if (hosts.length > 1 && !closing.signal.aborted) looking ??= look().finally(() => { looking = undefined }) }
  return {
    get current() { return current },
    suspect,
    get looking() { return looking },
    close() { closing.abort() },
  }
}

/** Asks all hosts once, before the first connection is made. Errors: `database-unavailable`, when none of them takes writes. */
export async function findPrimary(connection: Connection, clock: Clock): Promise<Connection> {
  if (!connection.hosts) return connection
  for (const until = clock.monotonic() + firstMs; ;) {
    const found = await newest(connection.hosts.map((host) => ask(connection, host)), clock)
    if (found) return { ...connection, ...found.address }
    if (clock.monotonic() > until) throw failed('database-unavailable', `None of the hosts ${connection.hosts.map(({ host, port }) => `${host}:${port}`).join(', ')} takes writes as ${connection.user}: see whether the cluster has a primary, and whether the user and its password are right.`)
    await clock.sleep(pauseMs)
  }
}
const firstMs = 10_000

interface Found { readonly address: Address; readonly timeline: number }

/** Of the primaries that answer: the one of the newest timeline. */
async function newest(answers: readonly Promise<Found | undefined>[], clock: Clock): Promise<Found | undefined> {
  const found: Found[] = []
  const first = Promise.withResolvers<void>()
  const all = Promise.all(answers.map(async (answer) => {
    const one = await answer
    if (one) { found.push(one); first.resolve() }
  }))
  await Promise.race([all, first.promise])
  if (found.length > 0) await Promise.race([all, clock.sleep(othersMs)])
  return found.reduce<Found | undefined>((newer, one) => newer && newer.timeline >= one.timeline ? newer : one, undefined)
}

async function ask(connection: Connection, address: Address): Promise<Found | undefined> {
  const client = new pg.Client({ ...clientOptions({ ...connection, ...address }), connectionTimeoutMillis: answerMs, query_timeout: answerMs })
  client.on('error', () => { /* told by the query that fails */ })
  try {
    await client.connect()
    const { rows: [row] } = await client.query<{ timeline: number | null }>(`select case when pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' then null
      else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end as timeline`)
    return typeof row?.timeline === 'number' ? { address, timeline: row.timeline } : undefined
  } catch {
    return undefined
  } finally {
    void client.end().catch(() => { /* it never opened */ })
  }
}
