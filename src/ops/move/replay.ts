import type pg from 'pg'
import type { Change, Relation, Row } from './changes.ts'

/** Does on one database what was done on another. */
export interface Replay {
  take(change: Exclude<Change, { kind: 'begin' | 'commit' }>): Promise<void>
  /** What was taken is done. */
  flush(): Promise<void>
}

/** A statement takes 65,535 parameters at most. */
const parametersMax = 30_000
const rowsMax = 500

/**
 * In the transaction that `target` is in. That a row which changed is not there is no error, as it is none for Postgres' own subscriptions: a
 * copy that was made just behind a TRUNCATE is empty, whatever moment it is of. Whether all is the same is found by comparing. Errors: the driver's.
 */
export function createReplay(target: pg.Client): Replay {
  let inserts: { readonly relation: Relation; readonly rows: Row[] } | undefined
  const flush = async () => {
    if (!inserts) return
    const { relation, rows } = inserts
    inserts = undefined
    const values: (string | null | undefined)[] = []
    const tuples = rows.map((row) => `(${row.map((value) => { values.push(value); return `$${values.length}` }).join(', ')})`)
    await target.query(`insert into ${relation.table} (${relation.columns.map(({ name }) => name).join(', ')}) overriding system value values ${tuples.join(', ')}`, values)
  }
  return {
    flush,
    async take(change) {
      if (change.kind === 'insert') {
        const { relation, row } = change
        if (inserts && (inserts.relation !== relation || inserts.rows.length >= rowsMax || (inserts.rows.length + 1) * row.length > parametersMax)) await flush()
        inserts ??= { relation, rows: [] }
        inserts.rows.push(row)
        return
      }
      await flush()
      if (change.kind === 'truncate') {
        await target.query(`truncate ${change.relations.map(({ table }) => table).join(', ')}${change.cascade ? ' cascade' : ''}`)
      } else if (change.kind === 'delete') {
        const { relation, old } = change
        const where = theRow(relation, old, 1)
        await target.query(`delete from ${relation.table} where ${where.text}`, where.values)
      } else {
        const { relation, old, row } = change
        // A key that did not change is not set: it may be one that only the server itself gives.
        const changed = relation.columns.flatMap(({ name, isKey }, index) => { const value = row[index]; return value === undefined || (isKey && !old) ? [] : [{ name, value }] })
        if (changed.length === 0) return
        const where = theRow(relation, old ?? row, changed.length + 1)
        await target.query(`update ${relation.table} set ${changed.map(({ name }, index) => `${name} = $${index + 1}`).join(', ')} where ${where.text}`, [...changed.map(({ value }) => value), ...where.values])
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
