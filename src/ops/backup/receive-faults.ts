import type pg from 'pg'
import { failed, isTenfoldError, type TenfoldError } from '../../base/index.ts'

const elsewhere = `have its provider make the backups (no backup in the topology)`

const faults: readonly (readonly [RegExp, string])[] = [
  [/must be (?:superuser|replication role)|permission denied to (?:start WAL sender|use replication slots)|not permitted to (?:start|use|run)|permission denied for function pg_(?:create_physical|drop|get)_replication/i, `The user of the backup may not replicate: run alter role ... replication as a superuser; where the server is managed and does not allow that, ${elsewhere}.`],
  [/permission denied for function pg_switch_wal/, `The user of the backup may not close a segment of the log, so that it reaches the store in time: run grant execute on function pg_switch_wal() to it in the application's database, or use a superuser.`],
  [/no pg_hba\.conf entry for replication connection|pg_hba\.conf rejects replication/, `The server lets no replication in from here: add the line "hostssl replication USER ADDRESS scram-sha-256" to its pg_hba.conf and reload it; where the server is managed and does not allow that, ${elsewhere}.`],
  [/all replication slots are in use|max_replication_slots/, 'The log is kept by a replication slot, and all are taken: raise max_replication_slots, or drop one that nobody uses (select * from pg_replication_slots where not active).'],
  [/number of requested standby connections exceeds|max_wal_senders/, 'The log comes by a replication connection, and all are taken: raise max_wal_senders.'],
  [/replication slots can only be used if "?wal_level|WAL level not sufficient/, 'The server writes too little into its log (wal_level minimal): set wal_level = replica, and start it again.'],
]

/** One sentence with its remedy, of what a server says to who wants its log. */
export function receiveFault(error: unknown): TenfoldError {
  const { message } = error as Error
  const cause = ((error as Error).cause as Error | undefined)?.message ?? ''
  const known = faults.find(([pattern]) => pattern.test(message) || pattern.test(cause))
  if (known) return failed('backup', known[1], { cause: error })
  return isTenfoldError(error) ? error : failed('backup', `The connection that brings the log broke (${message}): it is made anew.`, { cause: error })
}

/** It was read by somebody else in the moment between question and use. */
export function isTaken(error: unknown): boolean { return (error as { code?: string }).code === '55006' }

/** The server does not let us do that. */
export function isRefused(error: unknown): boolean { return (error as { code?: string }).code === '42501' }

/** The server has removed log that was asked for, or has given up what the slot was to keep. */
export function isRemoved(error: unknown): boolean { return /requested WAL segment \S+ has already been removed|can no longer (?:get changes from|access) replication slot|cannot access (?:invalidated )?replication slot|slot \S+ has been invalidated/i.test((error as Error).message) }

/** What would make receiving a harm, or vain. Answers what is to be told all the same. Errors: `backup`. */
export async function assertReceivable(session: pg.Client, application: string): Promise<string | undefined> {
  const { rows: [set] } = await session.query<{ level: string; standbys: string; kept: string }>(`select current_setting('wal_level') as level, current_setting('synchronous_standby_names') as standbys, current_setting('max_slot_wal_keep_size') as kept`)
  if (set?.level === 'minimal') throw failed('backup', 'The server writes too little into its log (wal_level = minimal): set wal_level = replica, and start it again.')
  const names = new Set((set?.standbys ?? '').split(/[\s,()]+/).map((name) => name.replaceAll('"', '').toLowerCase()))
  if (names.has('*') || names.has(application)) throw failed('backup', `synchronous_standby_names (${set?.standbys}) takes whoever reads the log for a standby, so that each commit would wait for the store of backups: name the standbys there.`)
  return set?.kept === '-1' ? 'The server keeps all log that is not in the store yet, also once nobody stores it any more, until its disk is full (max_slot_wal_keep_size = -1): set it to what its disk can spare, such as 10GB.' : undefined
}
