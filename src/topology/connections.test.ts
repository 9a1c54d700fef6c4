import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appDefinition, defineApp } from '../app/index.ts'
import { topologyFaults } from './check.ts'
import { connectionNeeds } from './connections.ts'
import type { WiderTopology } from './topology.ts'

const empty = appDefinition(defineApp('empty', { modules: [], routes: [] }))
const split = (data: object, more: object = {}) => ({ stage: 'split', secret: 'env:SECRET', data: { engine: 'postgres', primary: 'env:PRIMARY', pool: { max: 10, waitMs: 2_000 }, ...data }, ...more }) as WiderTopology<any>
const faultsOf = (topology: object) => topologyFaults(empty, topology as WiderTopology<any>).map(({ path, message }) => `${path} ${message}`)

test('one process needs its pools, its lanes and what is kept for others', () => {
  assert.deepEqual(connectionNeeds(split({})).map(({ path, needed, limit }) => [path, needed, limit]), [['data.primary', 2 * 10 + 2 + 2 + 3, 100]])
  assert.deepEqual(connectionNeeds(split({ replicas: ['env:R1', 'env:R2'] }, { web: { processes: 2 }, workers: { processes: 1 } })).map(({ path, needed }) => [path, needed]), [['data.primary', 3 * 22 + 5], ['data.replicas.0', 3 * 12 + 5], ['data.replicas.1', 3 * 12 + 5]])
})

test('backups take some of the primary\'s, and are checked at every stage', () => {
  const backup = { to: '/mnt/backups' }
  assert.deepEqual(connectionNeeds(split({ replicas: ['env:R1'] }, { web: { processes: 2 }, backup })).map(({ needed }) => needed), [2 * 22 + 3 + 2 + 5, 2 * 12 + 5])
  assert.deepEqual(faultsOf(split({}, { backup })), [])
  assert.deepEqual(faultsOf(split({}, { backup: { to: 'ftp://host' } })), ['backup.to is no store of backups: use a folder, or s3://bucket/prefix'])
})

test('ten processes of ten connections are more than a server takes; a pooler between makes them few', () => {
  const many = { web: { processes: { min: 2, max: 10, scaleOn: 'cpu' } } }
  assert.deepEqual(faultsOf(split({}, many)), ['data.primary would have 225 connections (10 processes x (2 pools x 10 and 2 lanes), 2 for migrations and operators, 3 kept for superusers) and takes 100: lower data.pool.max, put a pooler between (data.pooler), or raise the server\'s max_connections and data.connections'])
  assert.deepEqual(faultsOf(split({ pooler: { engine: 'pgbouncer', primary: 'env:POOLER' } }, many)), [])
  assert.deepEqual(faultsOf(split({ connections: 300 }, many)), [])
  assert.match(faultsOf(split({ pooler: { engine: 'pgbouncer', primary: 'env:POOLER', size: 90 } }, many))[0] ?? '', /^data\.primary would have 115 connections \(the pooler's 90 and 10 processes x 2 lanes/)
})

test('what is missing or a value is told with its path', () => {
  assert.deepEqual(faultsOf({ stage: 'split' }), ['secret is missing: every process needs the same, 32 bytes or more, as env:NAME', `data is missing: write { engine: 'postgres', primary: 'env:DATABASE_URL', pool: { max: 10, waitMs: 2000 } }`])
  assert.deepEqual(faultsOf(split({ pool: { max: 0, waitMs: 'long' } })), ['data.pool.max must be at least 1, and is 0', 'data.pool.waitMs must be a whole number, and is the string "long"'])
  assert.deepEqual(faultsOf(split({ replicas: ['postgres://u:p@h/d'], lagLimit: 'soon', pooler: { engine: 'pgbouncer', primary: 'postgres://p' } })).map((fault) => fault.split(' ').slice(0, 3).join(' ')), [
    'data.replicas.0 is a', 'data.pooler.primary is a', 'data.lagLimit is no',
  ])
})
