import type pg from 'pg'
import type { Change, Relation, Row } from './changes.ts'

/** Does on one database what was done on another. */
export interface Replay {
  take(change: Exclude<Change, { kind: 'begin' | 'commit' }>): Promise<void>
  /** What was taken is done. */
  flush(): Promise<void>
}

/** Statements are sent without waiting for the answers of those before; so many answers at most are outstanding. */
const outstandingMax = 1_000

/** A statement takes 65,535 parameters at most. */
const parametersMax = 30_000
const rowsMax = 500

/**
 * In the transaction that `target`, a pipelined session, is in. That a row which changed is not there is no error, as it is none for Postgres' own subscriptions: a
 * copy that was made just behind a TRUNCATE is empty, whatever moment it is of. Whether all is the same is found by comparing. Errors: the driver's.
 */
export function createReplay(target: pg.Client): Replay {
  let outstanding: Promise<unknown>[] = []
  const answered = async () => {
    const sent = outstanding
    outstanding = []
    const failure = (await Promise.allSettled(sent)).find(({ status }) => status === 'rejected')
    if (failure?.status === 'rejected') throw failure.reason // the first: those behind it only say that it failed
  }
  const send = async (text: string, values: readonly (string | null | undefined)[] = []) => {
    const answer = target.query(text, [...values])
    answer.catch(() => { /* told by who waits for all */ })
    outstanding.push(answer)
    if (outstanding.length >= outstandingMax) await answered()
  }
  let inserts: { readonly relation: Relation; readonly rows: Row[] } | undefined
  const insert = async () => {
    if (!inserts) return
    const { relation, rows } = inserts
    inserts = undefined
    const values: (string | null | undefined)[] = []
    const tuples = rows.map((row) => `(${row.map((value) => { values.push(value); return `$${values.length}` }).join(', ')})`)
    await send(`insert into ${relation.table} (${relation.columns.map(({ name }) => name).join(', ')}) overriding system value values ${tuples.join(', ')}`, values)
  }
  return {
    async flush() {
      await insert()
      await answered()
    },
    async take(change) {
      if (change.kind === 'insert') {
        const { relation, row } = change
        if (inserts && (inserts.relation !== relation || inserts.rows.length >= rowsMax || (inserts.rows.length + 1) * row.length > parametersMax)) await insert()
        inserts ??= { relation, rows: [] }
        inserts.rows.push(row)
        return
      }
      await insert()
      if (change.kind === 'truncate') {
        await send(`truncate ${change.relations.map(({ table }) => table).join(', ')}${change.cascade ? ' cascade' : ''}`)
      } else if (change.kind === 'delete') {
        const { relation, old } = change
        const where = theRow(relation, old, 1)
        await send(`delete from ${relation.table} where ${where.text}`, where.values)
      } else {
        const { relation, old, row } = change
        // A key that did not change is not set: it may be one that only the server itself gives.
        const changed = relation.columns.flatMap(({ name, isKey }, index) => { const value = row[index]; return value === undefined || (isKey && !old) ? [] : [{ name, value }] })
        if (changed.length === 0) return
        const where = theRow(relation, old ?? row, changed.length + 1)
        await send(`update ${relation.table} set ${changed.map(({ name }, index) => `${name} = $${index + 1}`).join(', ')} where ${where.text}`, [...changed.map(({ value }) => value), ...where.values])
      }
    },
  }
}

/** Which row it is: by its key, or, without one, any that is the same in all it holds, which may not even be comparable but as text. */
function theRow({ table, columns, isWhole }: Relation, row: Row, first: number): { text: string; values: (string | null)[] } {
  const keys = columns.flatMap(({ name, isKey }, index) => { const value = row[index]; return isKey && value !== undefined ? [{ name, value }] : [] })
  const values = keys.map(({ value }) => value)
  if (!isWhole) return { text: keys.map(({ name }, index) => `${name} = $${first + index}`).join(' and '), values }
  return { text: `ctid = (select ctid from ${table} where ${keys.map(({ name }, index) => `${name}::text is not distinct from $${first + index}`).join(' and ')} limit 1)`, values }
}
