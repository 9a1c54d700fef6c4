import type pg from 'pg'
import { reasonOf } from '../../base/index.ts'
import { isOutsideOnly } from '../faults.ts'
import type { Statement } from './parse.ts'
import { trialSettings } from './settings.ts'

/** The statement that fails in the file's one transaction, and why. */
export interface WholeFault { readonly statement: Statement; readonly reason: string }

/**
 * Runs a file as it will be run, in one transaction, and takes it back: some statements cannot use what one before them made until that is
 * committed (a value added to an enum). Undefined: none fails, or one stands outside a transaction, and then each is run by itself.
 */
export async function faultOfWhole(client: pg.Client, statements: readonly Statement[]): Promise<WholeFault | undefined> {
  if (statements.length < 2) return undefined
  await client.query(`${trialSettings}; begin`)
  try {
    for (const statement of statements) {
      try {
        await client.query(statement.text)
      } catch (error) {
        return isOutsideOnly(error) ? undefined : { statement, reason: reasonOf(error) }
      }
    }
    return undefined
  } finally {
    await client.query('rollback; deallocate all') // prepared statements know no transaction
  }
}
