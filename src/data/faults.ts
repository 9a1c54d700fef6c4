import pg from 'pg'
import { failed, isTenfoldError, type TenfoldError } from '../base/index.ts'

/** Serialization failure and deadlock: the same transaction, run again, may succeed (Postgres manual, "Serialization Failure Handling"). */
export function isContention(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01')
}

/**
 * A prepared statement of this connection answers other columns since a migration (`select *` after `add column`). Nothing is wrong with
 * the statement, only with what the connection remembers of it: on a fresh one it runs.
 */
export function isStalePlan(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '0A000' && /cached plan must not change result type/.test(error.message)
}

/** How often something is run again for that: each time a connection goes, and no pool has as many. */
export const stalePlansMax = 200

export function isWriteInReadOnly(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '25006'
}

/** "cannot run inside a transaction block", and a procedure that commits: it stands outside a transaction, or not at all. */
export function isOutsideOnly(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '25001' || error.code === '2D000')
}

/** A lock was not to be had in time, or two waited for each other. Nothing was done, and the same may work a moment later. */
export function isLockLost(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '55P03' || isContention(error))
}

const unavailable = new Set(['57P01', '57P02', '57P03', '53300', '53400', '08000', '08003', '08006', '08001', '08004'])
const socketCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'])

/** An error of the driver or the server as one of ours; anything else is answered as it is. */
export function databaseFault(error: unknown, database: string): unknown {
  if (isTenfoldError(error)) return error
  if (error instanceof pg.DatabaseError) {
    if (error.code === '57014' || error.code === '25P04') return failed('timeout', `A statement on ${database} passed its time limit.`, { cause: error })
    if (error.code && unavailable.has(error.code)) return lostDatabase(database, error)
    if (error.code === 'TF001') return failed('run-lost', 'Another process has taken over this run and goes on with it: ask for its outcome with the same key.', { cause: error, retryAfterMs: 1_000 })
    if (error.code === '53100') return failed('database-unavailable', `The disk of the database ${database} is full: free some space; nothing that was acknowledged is lost.`, { cause: error, retryAfterMs: 5_000 })
    return error
  }
  return isLostConnection(error) ? lostDatabase(database, error) : error
}

/** Whether the connection itself broke, so that what was sent may or may not have been done. */
export function isLostConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = (error as { code?: string }).code
  return (code !== undefined && socketCodes.has(code)) || /Connection terminated|connection error and is not queryable|Client was closed/i.test(error.message)
}

/** Its server was a primary when the connection was made: another is to be looked for. */
export function deposed(database: string, cause: unknown): TenfoldError {
  return failed('database-unavailable', `The server of ${database} takes no writes any more: another is the primary, and is looked for.`, { cause, retryAfterMs: 1_000 })
}

/** It is committed where it was sent, and may be nowhere else. */
export function unreplicated(database: string): TenfoldError {
  return failed('outcome-unknown', `A change was committed on ${database}, and the wait for its standby was cancelled: repeat the request with the same key to learn its outcome.`)
}

function lostDatabase(database: string, cause: unknown): TenfoldError {
  return failed('database-unavailable', `The database ${database} cannot be reached: try again shortly.`, { cause, retryAfterMs: 1_000 })
}
