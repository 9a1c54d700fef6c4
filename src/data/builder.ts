import { CamelCasePlugin, type CompiledQuery, type DatabaseConnection, DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type QueryCreator, type QueryResult } from 'kysely'
import type pg from 'pg'
import type { Reads, Writes } from '../app/index.ts'
import { failed } from '../base/index.ts'
import { createNames, saidBy } from './names.ts'
import type { Statement } from './transaction.ts'

// Kysely compiles, we run: one compiler serves all, and each transaction gets a view of it with its own connection.
const camelCase = new CamelCasePlugin({ maintainNestedObjectKeys: true })
const dialect = {
  createAdapter: () => new PostgresAdapter(), createDriver: () => new DummyDriver(), createQueryCompiler: () => new PostgresQueryCompiler(),
  createIntrospector: (db: Kysely<any>) => new PostgresIntrospector(db),
}
const config = { dialect, plugins: [camelCase] }
export const compiler = new Kysely<any>(config)
const driver = new DummyDriver()

function bound(connection: DatabaseConnection): Kysely<any> {
  const executor = compiler.getExecutor().withConnectionProvider({ provideConnection: (consumer) => consumer(connection) })
  return new Kysely({ config, dialect, driver: driver as never, executor })
}

const nameOf = createNames()
/** Without values it may be several in one text, which cannot be prepared. */
function statement(text: string, values: readonly unknown[], by: string | undefined): Statement {
  if (values.length === 0) return { text: by === undefined ? text : saidBy(text, by), values }
  const { text: sent, name } = nameOf(text, by)
  return name === undefined ? { text: sent, values } : { text: sent, values, name }
}

/** Runs a statement inside the transaction that it belongs to. */
export type RunStatement = (statement: Statement) => Promise<pg.QueryResult>

/** A connection, as Kysely sees it. */
function connectionOf(run: RunStatement, by: string | undefined): DatabaseConnection {
  return {
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      const result = await run(statement(query.sql, query.parameters, by))
      const affected = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(result.command)
      return { rows: result.rows as R[], ...(affected ? { numAffectedRows: BigInt(result.rowCount ?? 0) } : {}) }
    },
    streamQuery() { throw failed('definition', 'ctx.db has no streams: read page by page instead.') },
  }
}

type Raw = <Row>(text: TemplateStringsArray, ...values: unknown[]) => Promise<Row[]>

function rawOf(run: RunStatement, by: string | undefined): Raw {
  return async <Row>(text: TemplateStringsArray, ...values: unknown[]) => {
    const result = await run(statement(text.reduce((sql, part, index) => `${sql}$${index}${part}`), values, by))
    return result.rows.map((row: Record<string, unknown>) => Object.fromEntries(Object.entries(row).map(([name, value]) => [camelName(name), value])) as Row)
  }
}

const camelNames = new Map<string, string>()
/** `placed_at` → `placedAt`. */
export function camelName(name: string): string {
  let camel = camelNames.get(name)
  if (camel === undefined) camelNames.set(name, camel = name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()))
  return camel
}

/** `orderLines` → `order_lines`. */
export function snakeName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** What a query's `ctx.db` is: no method of it writes. `by`: the procedure, which its statements then name. */
export function readsOn(run: RunStatement, by?: string): Reads<any> {
  return reads(bound(connectionOf(run, by)), rawOf(run, by))
}

function reads(creator: QueryCreator<any> & { fn?: unknown }, sql: Raw): Reads<any> {
  return {
    selectFrom: creator.selectFrom.bind(creator) as Reads<any>['selectFrom'],
    fn: compiler.fn,
    with: (name, select) => reads(creator.with(name, ((db: QueryCreator<any>) => select(reads(db, sql))) as never), sql),
    sql,
  }
}

/** What a command's `ctx.db` is. */
export function writesOn(run: RunStatement, by?: string): Writes<any> {
  const db = bound(connectionOf(run, by))
  return {
    ...reads(db, rawOf(run, by)),
    insertInto: db.insertInto.bind(db), updateTable: db.updateTable.bind(db), deleteFrom: db.deleteFrom.bind(db), mergeInto: db.mergeInto.bind(db), withWrite: db.with.bind(db),
  }
}

/** What a statement is built from: it compiles, and runs nothing. */
export function placeholdersOf(schema: string): Reads<any> {
  return reads(compiler.withSchema(schema), () => { throw failed('definition', 'A statement is built from the query builder, not from ctx.db.sql.') })
}
