import assert from 'node:assert/strict'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ask, customer, type Order, products } from './client.ts'
import { processesOf } from './processes.ts'
import { command, dataDirectory, finished, startShop, until } from './shop.ts'
import { sql } from './sql.ts'

async function outcome(directory: string, args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await finished(await command(directory, ['db', ...args]))
  assert.doesNotMatch(stdout + stderr, /^\s+at .*[:/]|node:internal|Error:/m)
  return { code, stdout, stderr }
}

/** What a trial would leave behind. */
const trials = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('tenfold-trial-'))

/** Ctrl-C at that moment: it says so, and nothing of its trial is left. */
async function interrupted(directory: string, args: readonly string[], moment: () => Promise<boolean>): Promise<void> {
  const child = await command(directory, ['db', ...args])
  await until('its trial has begun', moment)
  process.kill(child.pid, 'SIGINT')
  const { code, stdout, stderr } = await finished(child)
  assert.deepEqual([code, stdout, stderr.split('\n').slice(1)], [130, '', ['  interrupted', '']])
  assert.deepEqual(await trials(), [])
}

/** A shop that somebody has bought in. */
async function busyShop(context: TestContext) {
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  const { token } = await customer(shop, 'ann@example.com')
  const product = (await products(shop, 100)).find(({ stock }) => stock > 10)
  const order = await ask<Order>(`${shop.urls.web}/v1/orders`, { method: 'POST', token, key: 'one', body: { items: [{ productId: product?.id, quantity: 3 }] } })
  assert.equal(order.body.status, 'paid')
  assert.equal((await ask(`${shop.urls.web}/v1/orders/${order.body.id}`, { token })).status, 200)
  return { directory, shop }
}

test('top names who sends what; explain says how it is worked on; both beside the running shop and without it', async (context) => {
  const { directory, shop } = await busyShop(context)
  const top = await outcome(directory, ['top', '--limit', '100'])
  assert.deepEqual([top.code, top.stderr], [0, ''])
  assert.match(top.stdout, /^NAME +CALLS +TOTAL +SHARE +MEAN +MAX +ROWS +IN MEMORY +TO DISK +STATEMENT\n/)
  for (const name of [/^catalogue\.reserve /m, /^orders\.place +1 .*insert into "orders"/m, /^orders\.settle +1 .*update "orders"/m, /^tenfold \(records\) /m]) assert.match(top.stdout, name)
  const rows = JSON.parse((await outcome(directory, ['top', '--json'])).stdout) as { name: string; totalMs: number; share: number }[]
  assert.equal(rows.length, 5)
  assert.deepEqual(rows.map(({ totalMs }) => totalMs), rows.map(({ totalMs }) => totalMs).toSorted((one, other) => other - one))

  const explained = await outcome(directory, ['explain', 'orders.settle'])
  assert.deepEqual([explained.code, explained.stderr], [0, ''])
  assert.match(explained.stdout, /planned, not run: it writes/)
  assert.match(explained.stdout, /select "product_id", "quantity", "price" from "order_lines".*\n  [\d.]+ ms, 1 rows; with \$1 = [\w-]{36}/)
  for (const [args, message] of [
    [['explain', 'orders.setle'], 'tenfold: There is no "orders.setle": did you mean orders.settle'], [['explain', 'nothing.like'], 'tenfold: There is no "nothing.like": '], [['explain'], 'tenfold: tenfold db explain needs the name'],
    [['slow'], 'tenfold: There is no "slow" here: use top, explain'], [['top', 'x'], 'tenfold: tenfold db top takes no "x"'], [['top', '--limit', '0'], 'tenfold: --limit is "0"'], [['advise', '--query', 'select 1'], 'tenfold: --query and --with need --schema'],
    [['advise', '--schema', 'nowhere.sql'], 'tenfold: There is no nowhere.sql'], [['explain', 'catalogue.recommended'], 'tenfold: There is no "catalogue.recommended"'], [['top', '--url', 'nonsense'], 'tenfold: --url is no address'],
  ] as const) {
    const refused = await outcome(directory, args)
    assert.equal(refused.stdout, '', args.join(' '))
    assert.ok(refused.stderr.startsWith(message) && refused.code !== 0, `${args.join(' ')}: ${refused.code} ${refused.stderr}`)
  }
  const away = await outcome(directory, ['top', '--url', 'postgres://a:b@127.0.0.1:1/shop'])
  assert.deepEqual([away.code, away.stderr], [1, 'tenfold: The database shop at 127.0.0.1:1 cannot be reached (connect ECONNREFUSED 127.0.0.1:1): see whether it runs, and whether its address, user and password are right.\n'])

  process.kill(shop.pid, 'SIGTERM')
  await finished(shop)
  assert.match((await outcome(directory, ['top', '--limit', '100'])).stdout, /^orders\.place +1 /m) // what was counted is kept
  assert.deepEqual(await processesOf(directory), [])
})

test('advise tries on a copy what the running shop lacks, and leaves the shop as it was, and nothing behind', async (context) => {
  const { directory, shop } = await busyShop(context)
  const statement = `select quantity from catalogue.reservations where product_id = (select id from catalogue.products limit 1) /*action='catalogue.reserve'*/`
  await sql(directory, 'insert into catalogue.reservations (id, product_id, quantity) select gen_random_uuid(), id, 1 from catalogue.products, generate_series(1, 20)')
  await sql(directory, 'analyze catalogue.reservations')
  await sql(directory, statement)
  const slots = () => sql(directory, 'select slot_name from pg_replication_slots')
  const indexes = () => sql<{ name: string }>(directory, 'select indexrelid::regclass::text as name from pg_index order by 1')
  const before = await indexes()
  const { code, stdout, stderr } = await outcome(directory, ['advise', '--json', '--limit', '100'])
  assert.equal(code, 0, stderr)
  assert.match(stderr, /^ {2}copying the database at 127\.0\.0\.1:\d+, on which nothing is tried\n$/)
  const advice = JSON.parse(stdout) as { statements: { name?: string; query: string; verdict: string; says: string; proposals: { sql: string }[] }[]; foreignKeys: { table: string; sql: string; proof?: { proposals: { sql: string; provenBy: string }[] } }[]; unused: { index: string }[] }
  const [lone] = advice.foreignKeys
  assert.deepEqual([lone?.table, lone?.sql, lone?.proof?.proposals[0]?.provenBy], ['catalogue.reservations', 'create index concurrently reservations_product_id_idx on catalogue.reservations (product_id)', 'built on a copy'])
  assert.ok(advice.statements.length > 5)
  assert.deepEqual(advice.statements.filter(({ verdict }) => verdict === 'unread'), [])
  assert.ok(advice.statements.some(({ query, proposals }) => query.includes('catalogue.reservations') && proposals[0]?.sql === lone?.sql), JSON.stringify(advice.statements.map(({ query, says }) => [query, says])))
  assert.deepEqual(await indexes(), before)
  assert.deepEqual([await trials(), await slots()], [[], []])
  assert.equal((await fetch(`${shop.urls.ops}/readyz`)).status, 200)
  // Interrupted in its midst, it takes along what it made.
  await interrupted(directory, ['advise'], async () => (await trials()).length > 0 && (await slots()).length > 0)
  assert.deepEqual(await slots(), [])
  const told = await outcome(directory, ['advise'])
  assert.match(told.stdout, /^STATEMENTS\n\n[^]*\nFOREIGN KEYS WITHOUT AN INDEX\n\ncatalogue\.reservations, \S+\n {2}create index concurrently reservations_product_id_idx/)
})

test('advise needs no application: a schema with its rows, and statements', async (context) => {
  const directory = await dataDirectory(context)
  const schema = join(tmpdir(), `tenfold-schema-${process.pid}.sql`)
  context.after(() => rm(schema))
  await writeFile(schema, `-- Things.\ncreate table things (id int primary key, kind int, label text);\ninsert into things select g, g % 1000, 'é' || g from generate_series(1, 50000) g;\nvacuum analyze;\n`)
  const { code, stdout, stderr } = await outcome(directory, ['advise', '--schema', schema, '--query', `select * from things where kind = 7; select * from things where id = 7;`, '--json'])
  assert.equal(code, 0, stderr)
  const { statements } = JSON.parse(stdout) as { statements: { verdict: string; proposals: { sql: string; costRatio: number; timeRatio: number }[] }[] }
  assert.deepEqual(statements.map(({ verdict, proposals: [one] }) => [verdict, one?.sql]), [['index', 'create index concurrently things_kind_idx on things (kind)'], ['none', undefined]])
  const with1 = await outcome(directory, ['advise', '--schema', schema, '--with', 'create index on things (kind); create index again on things (kind)', '--query', 'select * from things where kind = 7'])
  assert.match(with1.stdout, /It is served by (again|things_kind_idx)[^]*INDEXES THAT ANOTHER MAKES NEEDLESS\n\nagain on things\n/)
  await writeFile(schema, `create table things (id int);\n\n-- wrong:\ninsert into nowhere values (1);`)
  const wrong = await outcome(directory, ['advise', '--schema', schema])
  assert.deepEqual([wrong.code, wrong.stdout], [2, ''])
  assert.match(wrong.stderr, /tenfold: \S+\.sql, line 4, cannot be run: relation "nowhere" does not exist\.\n$/)
  await writeFile(schema, 'select pg_sleep(60)')
  await interrupted(directory, ['advise', '--schema', schema], async () => (await trials()).length > 0)
  await writeFile(schema, 'create tabel things (id int)')
  assert.match((await outcome(directory, ['advise', '--schema', schema])).stderr, /cannot be read as SQL: syntax error at or near "tabel"/)
  assert.deepEqual(await trials(), [])
})
