import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { appDefinition, defineApp } from '../app/index.ts'
import { topologyFaults } from './check.ts'
import type { Topology } from './topology.ts'

const empty = appDefinition(defineApp('empty', { modules: [], routes: [] }))
const pathsOf = (topology: object) => topologyFaults(empty, topology as Topology).map(({ path, message }) => `${path} ${message}`)

test('the smallest topology is valid; each fault of another is told with its path', () => {
  assert.deepEqual(pathsOf({ stage: 'single' }), [])
  assert.deepEqual(pathsOf({ stage: 'single', docs: false }), [])
  assert.deepEqual(pathsOf({ stage: 'single', docs: 'off', ports: { web: 3000, ops: 70_000 } }), ['ports.ops must be at most 65535, and is 70000', 'docs must be true or false, and is a string'])
  assert.deepEqual(pathsOf({ stage: 'single', secret: 'hunter2', dependencies: { mail: {} }, rateLimit: { perAddress: 'many' } }), [
    'dependencies.mail is no dependency of empty: it has none', 'secret is a value: secrets are references, env:NAME or file:PATH', `rateLimit.perAddress is no rate: write it as '600/min'`,
  ])
  const backup = (more: object) => pathsOf({ stage: 'single', backup: { to: '/mnt/backups', ...more } })
  assert.deepEqual([backup({}), backup({ to: 's3://bucket/prefix', every: '6h', keep: 30, loseAtMost: '10s', s3: { endpoint: 'https://s3.example.com', accessKey: 'env:KEY', secretKey: 'file:/run/key' } })], [[], []])
  assert.deepEqual(backup({ keep: 0 }), ['backup.keep must be at least 1, and is 0'])
  assert.deepEqual(backup({ to: 'ftp://host', every: 'daily', loseAtMost: '2d', s3: { endpoint: 'here', accessKey: 'AKIA1', secretKey: 'hunter2' } }), [
    'backup.to is no store of backups: use a folder, or s3://bucket/prefix', 'backup.s3.endpoint is no URL: write it as https://s3.example.com',
    'backup.s3.accessKey is a value: secrets are references, env:NAME or file:PATH', 'backup.s3.secretKey is a value: secrets are references, env:NAME or file:PATH',
    `backup.every is no time from a minute to 30 days: write it as '1d'`, `backup.loseAtMost is no time from a second to an hour: write it as '60s'`,
  ])
})

test('a pooler before several hosts is refused: it would not follow a failover', (context) => {
  const topology = (primary: string, pooler: object = { pooler: { engine: 'pgbouncer', primary: 'env:POOLER' } }) => ({ stage: 'split', secret: 'env:SECRET', data: { engine: 'postgres', primary, pool: { max: 10, waitMs: 2_000 }, ...pooler } })
  Object.assign(process.env, { TENFOLD_TEST_ONE: 'postgres://shop:a,b@one:5432/shop', TENFOLD_TEST_MORE: 'postgres://shop:pw@one:5432,two:5432/shop' })
  context.after(() => { delete process.env['TENFOLD_TEST_ONE']; delete process.env['TENFOLD_TEST_MORE'] })
  assert.match(pathsOf(topology('env:TENFOLD_TEST_MORE')).join('\n'), /^data\.pooler stands before one server, and data\.primary names several: .*leave the pooler out[^\n]*$/)
  for (const fine of [topology('env:TENFOLD_TEST_MORE', {}), topology('env:TENFOLD_TEST_ONE'), topology('env:TENFOLD_TEST_NONE')]) assert.deepEqual(pathsOf(fine), [])
})

const data = { engine: 'postgres', primary: 'env:PRIMARY', replicas: ['env:R1', 'env:R2'], pooler: { engine: 'pgbouncer', primary: 'env:POOLER', replicas: ['env:P1'] }, pool: { max: 10, waitMs: 2_000 }, lagLimit: '500ms' }
const cached = { stage: 'cached', secret: 'env:SECRET', data }

test('a setting that there is none of is a fault at every level, and what was meant is named', () => {
  assert.deepEqual(pathsOf(cached), [])
  assert.deepEqual(pathsOf({ stage: 'single', dataa: '.tenfold' }), ['dataa is no setting of a topology of stage single: did you mean data?'])
  const { replicas, ...withoutReplicas } = data
  assert.deepEqual(pathsOf({ ...cached, data: { ...withoutReplicas, replica: replicas } }), ['data.replica is no setting of data: did you mean replicas?'])
  assert.deepEqual(pathsOf({ ...cached, web: { proceses: 2, processes: 1 }, store: { engine: 'redis', url: [], urls: [], eviction: 'noeviction' }, services: { mail: { proceses: 1, processes: 1 } } }), [
    'web.proceses is no setting of web: did you mean processes?', 'store.url is no setting of store: did you mean urls?', 'services.mail.proceses is no setting of services.mail: did you mean processes?',
  ])
  assert.deepEqual(pathsOf({ ...cached, data: { ...data, zzzzzz: 1 } }), ['data.zzzzzz is no setting of data: it has engine, primary, replicas, connections, lagLimit, pooler, pool, shards'])
  assert.deepEqual(pathsOf({ ...cached, 'a/b~': 1 }).map((fault) => fault.split(':')[0]), ['a/b~ is no setting of a topology of stage cached'])
})

test('what is of another kind, or out of its range, is a fault that says what it is; a string that may be a password is not repeated', () => {
  const faults = pathsOf({ ...cached, secret: 7, web: { processes: -100 }, workers: { processes: 'many' }, data: { ...data, engine: 'mysql', primary: ['hunter2'], replicas: 'hunter2', pool: { max: '10', waitMs: null } } })
  assert.deepEqual(faults.toSorted(), [
    'data.engine must be "postgres", and is the string "mysql"', 'data.pool.max must be a whole number, and is the string "10"', 'data.pool.waitMs must be a whole number, and is null',
    'data.primary must be a string, and is a list', 'data.replicas must be a list, and is a string', 'secret must be a string, and is 7',
    'web.processes must be at least 1, and is -100', 'workers.processes must be a whole number or an object, and is the string "many"',
  ])
  assert.deepEqual(['x', [], null].map((topology) => topologyFaults(empty, topology as never).map(({ path, message }) => `${path} ${message}`)), [
    ['topology must be an object, and is a string'], ['topology must be an object, and is a list'], ['topology must be an object, and is null'],
  ])
  assert.match(pathsOf({ stage: 'nope' }).join('\n'), /^stage must be one of "single", .*"global", and is the string "nope"$/)
  assert.match(pathsOf({}).join('\n'), /^stage is missing: /)
})

test('what does not go together is a fault: one replica twice, more poolers than replicas, a fleet that is larger at least than at most', () => {
  assert.deepEqual(pathsOf({ ...cached, data: { ...data, replicas: ['env:R1', 'env:R2', 'env:R1'] } }), ['data.replicas.2 is the same as data.replicas.0 (env:R1): name another server, or leave it out'])
  assert.deepEqual(pathsOf({ ...cached, data: { ...data, replicas: [] } }), ['data.pooler.replicas are more than data.replicas, which they lead to one by one: name as many, or fewer'])
  assert.deepEqual(pathsOf({ ...cached, web: { processes: { min: 3, max: 2, scaleOn: 'cpu' } }, cache: { memory: 'much' } }), [`cache.memory is no size: write it as '64mb'`, 'web.processes.min is 3, more than max (2): lower it'])
})

/** The same value with something else in some place of it. */
const spoiled = fc.tuple(fc.constantFrom<unknown[]>(cached, { stage: 'single', backup: { to: '/mnt', s3: {} }, ports: { web: 1, ops: 2 }, rateLimit: 'off' }, { ...cached, web: { processes: { min: 1, max: 2, scaleOn: 'cpu' } }, events: { engine: 'kafka', brokers: ['env:B'], partitions: 3 }, cache: { memory: '1mb' }, services: { mail: { processes: 1 } } }), fc.array(fc.nat(), { maxLength: 5 }), fc.jsonValue())
  .map(([topology, way, value]) => spoil(topology, way, value))

function spoil(into: unknown, [turn, ...way]: readonly number[], value: unknown): unknown {
  if (turn === undefined || into === null || typeof into !== 'object' || Object.keys(into).length === 0) return value
  const key = Object.keys(into)[turn % Object.keys(into).length] as keyof typeof into
  return Array.isArray(into) ? into.with(Number(key), spoil(into[key], way, value)) : { ...into, [key]: spoil(into[key], way, value) }
}

test('no JSON value makes the check throw', () => {
  const check = (value: unknown) => { for (const { path, message } of topologyFaults(empty, value as Topology)) assert.ok(path !== '' && message !== '') }
  fc.assert(fc.property(fc.jsonValue(), check), { numRuns: 500 })
  fc.assert(fc.property(spoiled, check), { numRuns: 3_000 })
})
