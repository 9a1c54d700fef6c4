import pg from 'pg'
import { afterTick, backoffMs, type Clock, type Random } from '../base/index.ts'
import type { Data, Database } from '../data/index.ts'

/**
 * Tells the workers of other processes that there is something to do. The notification is no part of the transaction that enqueues, where
 * it would take a lock across all commits (Postgres manual, NOTIFY); it goes out behind it, one for all of a tick. One that is lost costs a
 * poll's wait, nothing more.
 */
const channel = 'tenfold_jobs'

export function createBell(data: Data, database: Database): () => void {
  let isDue = false
  const ring = async () => {
    isDue = false
    await data.execute(database, { name: 'tenfold_ring', text: 'select pg_notify($1, $2)', values: [channel, ''] }).catch(() => { /* the next poll finds it */ })
  }
  return () => {
    if (isDue) return
    isDue = true
    afterTick(() => { void ring() })
  }
}

/** Hears it on a connection of its own (a pooler between must be in session mode), and takes another when that breaks. */
export function hearBell(config: pg.ClientConfig, clock: Clock, random: Random, heard: () => void): { stop(): Promise<void> } {
  const stopping = new AbortController()
  let current: pg.Client | undefined
  const listen = async (): Promise<void> => {
    const client = new pg.Client(config)
    const ended = new Promise<void>((resolve) => client.once('end', resolve))
    client.on('error', () => { /* its end follows */ })
    client.on('notification', heard)
    await client.connect()
    current = client
    try {
      if (stopping.signal.aborted) return // told while there was nothing yet to end
      await client.query(`listen ${channel}`)
      heard() // what came while nobody listened
      await ended
    } finally {
      await client.end().catch(() => { /* it has ended already */ })
    }
  }
  const run = async () => {
    for (let failures = 0; !stopping.signal.aborted; failures++) {
      const since = clock.monotonic()
      await listen().catch(() => { /* tried again, a little later each time */ })
      if (clock.monotonic() - since > 10_000) failures = 0
      await clock.sleep(100 + backoffMs(random, failures, 100, 10_000), stopping.signal)
    }
  }
  const done = run()
  return {
    async stop() {
      stopping.abort()
      await current?.end().catch(() => {})
      await done
    },
  }
}
