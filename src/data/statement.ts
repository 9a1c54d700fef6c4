import pg from 'pg'
import type { ProcedureDefinition } from '../app/index.ts'
import { afterTick } from '../base/index.ts'
import { camelName, placeholdersOf, snakeName } from './builder.ts'
import type { Lane } from './lane.ts'
import { nameOf, saidBy } from './names.ts'
import { fullest, type Sight } from './standing.ts'
import type { Statement } from './transaction.ts'

/** Stands for a field of the input while a statement is built. */
class Slot {
  readonly field: string
  constructor(field: string) { this.field = field }
}

type Row = Record<string, unknown>

/** A statement that was built once from placeholders: its text, and for each parameter the field or the constant that fills it. */
export interface KnownStatement {
  readonly name: string
  readonly text: string
  readonly parameters: readonly unknown[]
}

/** A procedure's statement, built once from placeholders in the place of its input's fields; undefined where it has a handler instead. */
export function knownStatement({ name, module, query, input }: Pick<ProcedureDefinition, 'name' | 'module' | 'query' | 'input'>): KnownStatement | undefined {
  if (!query?.statement) return undefined
  const { sql, parameters } = query.statement(placeholdersOf(snakeName(module.name)), Object.fromEntries(Object.keys(input.properties ?? {}).map((field) => [field, new Slot(field)]))).compile()
  const text = saidBy(sql, name)
  return { name: nameOf(text), text, parameters }
}

export function valuesOf(statement: KnownStatement, input: Row): unknown[] {
  return statement.parameters.map((parameter) => parameter instanceof Slot ? input[parameter.field] : parameter)
}

/** Columns back in the words of the application. */
export function camelRows(rows: readonly Row[]): Row[] {
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [camelName(name), value])))
}

/** More than this in one statement gains nothing and makes its neighbours wait. */
const batchMax = 200

/**
 * Reads of at most one row by one statement, of one tick, asked as one: the inputs go as arrays, `unnest ... with ordinality` keeps
 * them apart, and the statement itself stands inside, once for each (`cross join lateral`). One read alone goes as it is.
 */
export function createBatcher(lane: Lane, statement: KnownStatement): (values: unknown[], sight?: Sight) => Promise<Row | undefined> {
  let waiting: { values: unknown[]; sight: Sight | undefined; resolve: (row: Row | undefined) => void; reject: (error: unknown) => void }[] = []
  let batched: Promise<string> | undefined

  const send = async () => {
    const batch = waiting
    waiting = []
    for (let start = 0; start < batch.length; start += batchMax) void answer(batch.slice(start, start + batchMax))
  }
  /** Behind the read it is asked once what all of them have seen. */
  const askWith = async (batch: typeof waiting, read: Statement): Promise<pg.QueryResult> => {
    const asked = fullest(batch.flatMap(({ sight }) => sight ? [sight] : []))
    const [result, seen] = await lane.burst(asked ? [read, asked.statement] : [read])
    if (seen) for (const { sight } of batch) sight?.tell(seen.rows)
    return result as pg.QueryResult
  }
  const answer = async (batch: typeof waiting) => {
    try {
      const first = batch[0]
      if (batch.length === 1 && first) return first.resolve((await askWith(batch, { ...statement, values: first.values })).rows[0] as Row | undefined)
      const text = await (batched ??= batchText(lane, statement))
      const columns = statement.parameters.map((_, index) => batch.map(({ values }) => values[index]))
      const { rows } = await askWith(batch, { name: `${statement.name}_n`, text, values: columns })
      const found = new Map<number, Row>()
      for (const row of rows as Row[]) if (!found.has(Number(row['batch_position']))) found.set(Number(row['batch_position']), row) // the first, as for one alone
      batch.forEach(({ resolve }, index) => resolve(withoutPosition(found.get(index + 1))))
    } catch (error) {
      batched = undefined
      // One input may have failed all: each alone then says for itself.
      if (batch.length > 1 && error instanceof pg.DatabaseError) for (const one of batch) void answer([one])
      else for (const { reject } of batch) reject(error)
    }
  }
  return (values, sight) => new Promise((resolve, reject) => {
    if (waiting.push({ values, sight, resolve, reject }) === 1) afterTick(send)
  })
}

function withoutPosition(row: Row | undefined): Row | undefined {
  if (row) delete row['batch_position']
  return row
}

/** The types of the parameters are the server's to say: it is asked once, by preparing the statement. */
async function batchText(lane: Lane, statement: KnownStatement): Promise<string> {
  const probe = `${statement.name}_types`
  const [, described] = await lane.burst([
    { text: `prepare ${probe} as ${statement.text}` },
    { text: 'select parameter_types::text[] as types from pg_prepared_statements where name = $1', values: [probe] },
    { text: `deallocate ${probe}` },
  ])
  const types = (described as { rows: [{ types: string[] }] } | undefined)?.rows[0].types ?? []
  const names = types.map((_, index) => `p${index + 1}`)
  const arrays = types.map((type, index) => `$${index + 1}::${type}[]`)
  const inner = statement.text.replaceAll(/\$(\d+)/g, (_, number: string) => `batch.p${number}`)
  return `select batch.position as batch_position, answer.* from unnest(${arrays.join(', ')}) with ordinality as batch(${[...names, 'position'].join(', ')}) cross join lateral (${inner}) as answer`
}
