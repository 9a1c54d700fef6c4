import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import pg from 'pg'
import { failed } from '../../base/errors.ts'
import { waitFor } from '../../base/process.ts'
import type { Component } from './component.ts'
import { primaryComponent } from './components/primary.ts'
import { replicaComponent } from './components/replica.ts'
import { createRig } from './rig.ts'

/** A primary and so many replicas, for as long as `work` takes. It can ask each. */
async function whileUp(directory: string, replicas: readonly string[], work: (ask: (name: string, text: string) => Promise<unknown[]>) => Promise<void>): Promise<void> {
  const primary = primaryComponent({ directory: join(directory, 'postgres'), database: 'shop', replicas })
  const rig = await createRig(join(directory, 'rig'), [primary, ...replicas.map((name) => replicaComponent(name, { primary }))], () => {})
  await rig.up()
  try {
    await work(async (name, text) => {
      const { user, password } = primary.address()
      const client = new pg.Client({ host: '127.0.0.1', port: Number(rig.status().find((one) => one.name === name)?.address?.split(':')[1]), user, password, database: 'shop' })
      await client.connect()
      try { return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows.flat() } finally { await client.end() }
    })
  } finally {
    await rig.down()
  }
}

async function folder(context: TestContext): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'tenfold-slots-')))
  context.after(() => rm(directory, { recursive: true }))
  return directory
}

test('of a replica that the stage has no more no log is kept; one that comes again is copied again, and follows', async (context) => {
  const directory = await folder(context)
  const slots = 'select slot_name from pg_replication_slots order by 1'
  await whileUp(directory, ['replica-1', 'replica-2'], async (ask) => {
    await ask('primary', 'create table numbers as select 1 as number')
    assert.deepEqual(await ask('primary', slots), ['replica_1', 'replica_2'])
  })
  await whileUp(directory, ['replica-1'], async (ask) => {
    await ask('primary', `select pg_create_physical_replication_slot('replica_of_somebody')`)
    assert.deepEqual(await ask('primary', slots), ['replica_1', 'replica_of_somebody'])
    for (const number of [2, 3, 4]) for (const text of [`insert into numbers select ${number}`, 'select pg_switch_wal()', 'checkpoint']) await ask('primary', text)
  })
  await whileUp(directory, ['replica-1', 'replica-2'], async (ask) => {
    assert.deepEqual(await ask('primary', slots), ['replica_1', 'replica_2', 'replica_of_somebody'])
    await ask('primary', 'insert into numbers select 5')
    for (const name of ['replica-1', 'replica-2']) assert.ok(await waitFor(async () => (await ask(name, 'select max(number) from numbers'))[0] === 5 || undefined, { timeoutMs: 10_000 }), name)
  })
})

test('what never began says nothing when the rest goes down', async (context) => {
  const directory = await folder(context)
  const none = (name: string, needs: string[], check: () => Promise<void>): Component => ({ name, role: 'pooler', needs, check, async prepare() {}, async start() { throw failed('start', `${name} is not to be started.`) }, async destroy() {} })
  const said: string[] = []
  const rig = await createRig(directory, [none('one', [], async () => {}), none('two', ['one'], async () => { throw failed('start', 'It is not installed.') })], (status) => { said.push(status.map(({ state }) => state).join(' ')) })
  await assert.rejects(rig.up(), /It is not installed/)
  assert.deepEqual(said, [])
})
