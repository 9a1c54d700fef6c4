import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { findFullPostgres } from './full-postgres.ts'
import { findPrograms, programs } from './programs.ts'

const all = ['postgres', 'initdb', 'pg_basebackup', 'pg_rewind', 'pg_controldata', 'pg_isready', 'psql']

/** A folder of programs that only say a version, first in PATH. */
async function installed(context: TestContext, version: string, names: readonly string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tenfold-full-'))
  const [bin, path] = [join(directory, 'bin'), process.env['PATH'] ?? '']
  context.after(async () => { process.env['PATH'] = path; await rm(directory, { recursive: true, force: true }) })
  await mkdir(bin)
  for (const name of names) await writeFile(join(bin, name), `#!/bin/sh\necho "${name} (PostgreSQL) ${version}"\n`, { mode: 0o755 })
  process.env['PATH'] = `${bin}:${path}`
  return bin
}

test('an installation is taken where it is whole: what PATH says first', async (context) => {
  const bin = await installed(context, '97.1', all)
  assert.deepEqual(await findFullPostgres(), { bin, major: 97 })
  assert.equal((await findPrograms(programs.postgresql))[0], join(bin, 'pg_rewind'))
})

test('one that is not whole, or too old, is passed over; the version that made a cluster is asked for by name', async (context) => {
  await installed(context, '98.1', all.filter((name) => name !== 'pg_basebackup'))
  const old = await installed(context, '14.9', all)
  const bin = await installed(context, '96.1', all)
  assert.deepEqual(await findFullPostgres(), { bin, major: 96 })
  assert.deepEqual(await findFullPostgres(96), { bin, major: 96 })
  await assert.rejects(findFullPostgres(98), { code: 'start', message: /made by Postgres 98, and installed is 96.*install version 98/ })
  await assert.rejects(findFullPostgres(14), { code: 'start', message: /made by Postgres 14/ })
  await rm(bin, { recursive: true })
  assert.notEqual((await findFullPostgres().catch(() => undefined))?.bin, old)
})
