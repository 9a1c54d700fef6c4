/** `tenfold migrate --check`, as a person or a program runs it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { testServer } from '../../src/testing/server.ts'

const root = join(import.meta.dirname, '../..')

async function place(context: TestContext, files: Readonly<Record<string, string | Uint8Array>>) {
  const folder = await mkdtemp(join(tmpdir(), 'check-'))
  context.after(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const server = await testServer() // one for all that are started here
  return async (...args: string[]) => {
    const child = spawn(process.execPath, ['--conditions=tenfold:src', join(root, 'src/cli/main.js'), ...args], { cwd: folder, env: { ...process.env, TENFOLD_TEST_SERVER: JSON.stringify(server) } })
    const [out, errors] = await Promise.all([child.stdout, child.stderr].map(async (stream) => Buffer.concat(await stream.toArray() as Buffer[]).toString()))
    return { code: child.exitCode ?? await new Promise<number | null>((resolve) => { child.once('exit', resolve) }), out: out ?? '', errors: errors ?? '' }
  }
}

const dump = `\\restrict abc
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.orders (id bigint NOT NULL, total numeric, note character varying(10));
ALTER TABLE public.orders OWNER TO somebody_${process.pid};
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
GRANT SELECT ON TABLE public.orders TO reader_${process.pid};
\\unrestrict abc
`

test('a file is judged on a dump of the schema, without an application: as a list for programs, as a table for people', async (context) => {
  const run = await place(context, { 'schema.sql': dump, 'a.sql': '-- tenfold: allow rewrite: a table of ten rows\nalter table orders alter column total type float8;\ncreate index orders_note on orders (note);\n', 'fine.sql': 'alter table orders add column x int;', 'none.sql': '-- nothing', 'quiet.sql': 'set lock_timeout = 0;\nwith gone as (delete from orders returning id) select count(*) from gone;\n', 'fill.backfill.sql': 'update orders set note = null where $1' })
  const { code, out, errors } = await run('migrate', '--check', 'a.sql', '--schema', 'schema.sql', '--json')
  assert.deepEqual([code, errors], [1, ''])
  const [first, second] = JSON.parse(out) as Record<string, unknown>[]
  assert.deepEqual({ ...first, reason: '', remedy: '' }, {
    statement: 'alter table orders alter column total type float8', line: 2, lock: 'AccessExclusiveLock', locks: { orders: 'AccessExclusiveLock' }, blocksReads: true, blocksWrites: true, rewrite: true, scan: false,
    indexBuilds: 1, outsideTransaction: false, verdict: 'unsafe', rule: 'rewrite', reason: '', remedy: '', allowed: 'a table of ten rows',
  })
  assert.deepEqual([second?.['lock'], second?.['blocksReads'], second?.['blocksWrites'], second?.['rule']], ['ShareLock', false, true, 'index-build'])
  const table = await run('migrate', '--check', 'a.sql', '--schema', 'schema.sql')
  assert.equal(table.code, 1)
  assert.match(table.out, /^line {2}verdict .*\n2 .*unsafe \(allowed\) .*reads, writes {2}rewrites, builds 1 index .*\n[^]*line 3, index-build: It builds an index on orders[^]*\n {2}create index concurrently orders_note ON public\.orders USING btree \(note\);[^]*\n2 statements, 1 refused\n$/)
  for (const [file, said] of [['fine.sql', /1 statement, none refused\n$/], ['none.sql', /^no statements\n$/], ['fill.backfill.sql', /1 statement, none refused\n$/]] as const) {
    const checked = await run('migrate', '--check', file, '--schema', 'schema.sql')
    assert.deepEqual([checked.code, checked.errors], [0, ''], checked.out)
    assert.match(checked.out, said)
  }
  const quiet = await run('migrate', '--check', 'quiet.sql', '--schema', 'schema.sql')
  assert.equal(quiet.code, 1)
  assert.match(quiet.out, /line 1, setting: It changes lock_timeout[^]*line 2, bulk-write: It may change every row of orders[^]*\n2 statements, 2 refused\n$/)
})

test('what cannot be judged is told in one sentence', async (context) => {
  const run = await place(context, { 'schema.sql': dump, 'bad.sql': 'alter table orders ad column', 'bytes.sql': new Uint8Array([0, 255, 254]), 'lost.sql': 'alter table nowhere add column x int', 'rows.sql': `${dump}copy public.orders from stdin;\n1\n\\.\n`, 'wrong.sql': 'create table a (b nothing)', 'ok.sql': 'select 1' })
  const expected: [string[], number, RegExp][] = [
    [['bad.sql', '--schema', 'schema.sql'], 1, /^tenfold: The migration \.\/bad\.sql cannot be read: syntax error at or near "ad", in line 1\. [^\n]*\n$/],
    [['bytes.sql', '--schema', 'schema.sql'], 1, /^tenfold: The migration \.\/bytes\.sql is no UTF-8 text[^\n]*\n$/],
    [['missing.sql', '--schema', 'schema.sql'], 2, /^tenfold: missing\.sql cannot be read: ENOENT[^\n]*\n$/],
    [['ok.sql', '--schema', 'rows.sql'], 1, /^tenfold: The schema rows\.sql holds rows for COPY in line 8: give what pg_dump --schema-only writes\.\n$/],
    [['ok.sql', '--schema', 'wrong.sql'], 1, /^tenfold: The schema wrong\.sql cannot be loaded: type "nothing" does not exist, in line 1\. [^\n]*\n$/],
    [['ok.sql'], 2, /^tenfold: There is no tenfold\.config\.ts[^\n]*\n$/],
  ]
  for (const [args, code, said] of expected) {
    const answer = await run('migrate', '--check', ...args)
    assert.deepEqual([answer.code, answer.out], [code, ''], args.join(' '))
    assert.match(answer.errors, said)
  }
  const lost = await run('migrate', '--check', 'lost.sql', '--schema', 'schema.sql', '--json')
  assert.deepEqual([lost.code, (JSON.parse(lost.out) as { verdict: string }[]).map(({ verdict }) => verdict)], [1, ['invalid']])
  for (const args of [['--schema', 'schema.sql'], ['--json']]) assert.match((await run('migrate', ...args)).errors, /goes with --check FILE/)
})

test('a file of an application is judged on what its other files make', async (context) => {
  const run = await place(context, {})
  const config = ['--config', join(root, 'examples/shop/tenfold.config.ts')]
  const own = await run(...config, 'migrate', '--check', join(root, 'examples/shop/orders/migrations/001-orders.sql'))
  assert.equal(own.code, 0, own.errors + own.out)
  const strange = await run(...config, 'migrate', '--check', join(root, 'bench/ddl/schema.sql'))
  assert.match(strange.errors, /stands in no module's folder of migrations: name the schema that it is for with --schema/)
})
