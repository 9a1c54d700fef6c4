import assert from 'node:assert/strict'
import { test } from 'node:test'
import { etcdArguments } from './etcd.ts'
import { agreedSettings, clusterSettings, memberSettings } from './patroni-settings.ts'

const passwords = { superuser: 'super-secret', replication: 'replica-secret', rest: 'rest-secret' }
const settings = memberSettings({ scope: 'tenfold-1', name: 'member-1', etcd: '127.0.0.1:2379', port: 5001, restPort: 8001, postgres: { bin: '/pg/bin', major: 15 }, database: 'shop', passwords, logSlot: 'tenfold_log_shop' }) as typeof shape
declare const shape: {
  scope: string; etcd3: { hosts: string }; restapi: { listen: string; connect_address: string; authentication: object }
  bootstrap: { dcs: typeof clusterSettings; initdb: unknown[]; post_init: string }
  postgresql: { listen: string; connect_address: string; pg_hba: string[]; parameters: Record<string, unknown>; authentication: object; bin_dir: string }
}

test('nobody takes over who lacks what was acknowledged: a cluster is synchronous, from its first moment on', () => {
  const { synchronous_mode, synchronous_node_count, postgresql } = clusterSettings
  assert.deepEqual([synchronous_mode, synchronous_node_count, postgresql.parameters.synchronous_commit], [true, 1, 'on'])
  assert.deepEqual(settings.bootstrap.dcs, { ...clusterSettings, ignore_slots: [{ name: 'tenfold_log_shop', type: 'physical' }] })
  const own = settings.postgresql.parameters
  assert.deepEqual(['synchronous_commit', 'synchronous_standby_names', 'fsync'].filter((name) => name in own), [], 'no member says otherwise for itself')
})

test('the slot of the backups is nobody\'s to drop while there are some, and may hold up only so much log', () => {
  assert.deepEqual(agreedSettings(undefined), { ...clusterSettings, ignore_slots: null })
  assert.equal(clusterSettings.postgresql.parameters.max_slot_wal_keep_size, '2GB')
})

test('a lease outlives a loop and two tries; a deposed primary can be wound back', () => {
  const { ttl, loop_wait, retry_timeout, postgresql } = clusterSettings
  assert.ok(ttl >= loop_wait + 2 * retry_timeout)
  assert.equal(postgresql.use_pg_rewind, true)
  assert.ok(settings.bootstrap.initdb.includes('data-checksums') && postgresql.parameters.wal_log_hints === 'on')
})

test('it is reached from this machine only, by a password that is never sent', () => {
  assert.deepEqual([settings.restapi.listen, settings.restapi.connect_address, settings.postgresql.listen, settings.postgresql.connect_address], ['127.0.0.1:8001', '127.0.0.1:8001', '127.0.0.1:5001', '127.0.0.1:5001'])
  assert.equal(settings.postgresql.parameters['unix_socket_directories'], '')
  assert.ok(settings.postgresql.pg_hba.length > 0)
  for (const line of settings.postgresql.pg_hba) assert.match(line, /^host \w+ \w+ 127\.0\.0\.1\/32 scram-sha-256$/)
  for (const kind of ['auth-host', 'auth-local']) assert.ok(settings.bootstrap.initdb.some((option) => JSON.stringify(option) === JSON.stringify({ [kind]: 'scram-sha-256' })))
  assert.deepEqual([settings.restapi.authentication, settings.postgresql.authentication], [{ username: 'tenfold', password: 'rest-secret' }, { superuser: { username: 'postgres', password: 'super-secret' }, replication: { username: 'replicator', password: 'replica-secret' } }])
})

test('its database is made with it, and its rows sort as the embedded one\'s', () => {
  assert.match(settings.bootstrap.post_init, /^\/pg\/bin\/psql .*-c 'create database "shop"' -d$/)
  const newer = memberSettings({ scope: 'tenfold-1', name: 'member-1', etcd: '127.0.0.1:2379', port: 1, restPort: 2, postgres: { bin: '/pg/bin', major: 18 }, database: 'shop', passwords, logSlot: 'tenfold_log_shop' }) as typeof shape
  assert.ok(newer.bootstrap.initdb.some((option) => JSON.stringify(option) === '{"builtin-locale":"C.UTF-8"}'))
})

test('etcd is on this machine only, and forgets what is old', () => {
  const args = etcdArguments('tenfold-1', 2379, 2380)
  const urls = args.filter((argument) => argument.includes('://'))
  assert.ok(urls.length >= 5 && urls.every((url) => /^(tenfold-1=)?http:\/\/127\.0\.0\.1:23(79|80)$/.test(url)))
  assert.equal(args[args.indexOf('--auto-compaction-retention') + 1], '10m')
})
