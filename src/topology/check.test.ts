import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appDefinition, defineApp } from '../app/index.ts'
import { topologyFaults } from './check.ts'
import type { Topology } from './topology.ts'

const empty = appDefinition(defineApp('empty', { modules: [], routes: [] }))
const pathsOf = (topology: object) => topologyFaults(empty, topology as Topology).map(({ path, message }) => `${path} ${message}`)

test('the smallest topology is valid; each fault of another is told with its path', () => {
  assert.deepEqual(pathsOf({ stage: 'single' }), [])
  assert.deepEqual(pathsOf({ stage: 'single', docs: false }), [])
  assert.deepEqual(pathsOf({ stage: 'single', docs: 'off', ports: { web: 3000, ops: 70_000 } }), ['ports.ops must be at most 65535', 'docs must be true or false'])
  assert.deepEqual(pathsOf({ stage: 'single', secret: 'hunter2', dependencies: { mail: {} }, rateLimit: { perAddress: 'many' } }), [
    'dependencies.mail is no dependency of empty: it has none', 'secret is a value: secrets are references, env:NAME or file:PATH', `rateLimit.perAddress is no rate: write it as '600/min'`,
  ])
  const backup = (more: object) => pathsOf({ stage: 'single', backup: { to: '/mnt/backups', ...more } })
  assert.deepEqual([backup({}), backup({ to: 's3://bucket/prefix', every: '6h', keep: 30, loseAtMost: '10s', s3: { endpoint: 'https://s3.example.com', accessKey: 'env:KEY', secretKey: 'file:/run/key' } })], [[], []])
  assert.deepEqual(backup({ to: 'ftp://host', every: 'daily', keep: 0, loseAtMost: '2d', s3: { endpoint: 'here', accessKey: 'AKIA1', secretKey: 'hunter2' } }), [
    'backup.to is no store of backups: use a folder, or s3://bucket/prefix', 'backup.s3.endpoint is no URL: write it as https://s3.example.com',
    'backup.s3.accessKey is a value: secrets are references, env:NAME or file:PATH', 'backup.s3.secretKey is a value: secrets are references, env:NAME or file:PATH',
    `backup.every is no time from a minute to 30 days: write it as '1d'`, `backup.loseAtMost is no time from a second to an hour: write it as '60s'`, 'backup.keep is 0: keep a whole number of backups, from 1 to 1000',
  ])
})

test('a pooler before several hosts is refused: it would not follow a failover', (context) => {
  const topology = (primary: string, pooler: object = { pooler: { engine: 'pgbouncer', primary: 'env:POOLER' } }) => ({ stage: 'split', secret: 'env:SECRET', data: { engine: 'postgres', primary, pool: { max: 10, waitMs: 2_000 }, ...pooler } })
  Object.assign(process.env, { TENFOLD_TEST_ONE: 'postgres://shop:a,b@one:5432/shop', TENFOLD_TEST_MORE: 'postgres://shop:pw@one:5432,two:5432/shop' })
  context.after(() => { delete process.env['TENFOLD_TEST_ONE']; delete process.env['TENFOLD_TEST_MORE'] })
  assert.match(pathsOf(topology('env:TENFOLD_TEST_MORE')).join('\n'), /^data\.pooler stands before one server, and data\.primary names several: .*leave the pooler out[^\n]*$/)
  for (const fine of [topology('env:TENFOLD_TEST_MORE', {}), topology('env:TENFOLD_TEST_ONE'), topology('env:TENFOLD_TEST_NONE')]) assert.deepEqual(pathsOf(fine), [])
})
