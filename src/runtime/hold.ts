import { createLogs } from '../observe/index.ts'
import type { PostgresAddress } from '../ops/rig/base-backup.ts'
import { openDataDirectory } from './data-directory.ts'
import { keepPostgres } from './embedded.ts'

export type { PostgresAddress } from '../ops/rig/base-backup.ts'

/** A data directory and its Postgres, held for other processes, which come and go. */
export interface Held {
  readonly address: PostgresAddress
  /** Resolves, with what to say, when Postgres is gone and could not be brought back. */
  readonly lost: Promise<Error>
  close(): Promise<void>
}

/** Holds what `run` is then told of by its `hold`. Errors: `start`, as `run`. */
export async function holdDatabase(place: string, status: (text: string) => void): Promise<Held> {
  const directory = await openDataDirectory(place)
  try {
    const server = await keepPostgres({ directory: directory.file('postgres'), logs: createLogs({ level: 'warn' }), status })
    server.guard()
    return { address: server.address, lost: server.lost, async close() { await server.stop(); await directory.release() } }
  } catch (error) {
    await directory.release()
    throw error
  }
}
