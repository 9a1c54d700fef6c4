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
})
