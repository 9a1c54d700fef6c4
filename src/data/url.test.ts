import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { clientOptions } from './pool.ts'
import { asRole, connectionOf, inDatabase } from './url.ts'

const cluster = connectionOf('postgres://ann:p%40ss@one:5433,two,three:5435/shop?sslmode=disable', 'data.primary')

test('one URL may name the hosts of a cluster; the driver is told one of them, and all else that the URL says', () => {
  assert.deepEqual(cluster.hosts, [{ host: 'one', port: 5433 }, { host: 'two', port: 5432 }, { host: 'three', port: 5435 }])
  assert.deepEqual([cluster.host, cluster.port, cluster.user, cluster.password, cluster.database], ['one', 5433, 'ann', 'p@ss', 'shop'])
  const { hosts: _alone, ...single } = connectionOf('postgres://ann:p@one/shop', 'data.primary')
  assert.deepEqual([_alone, single.port], [undefined, 5432])
  assert.equal(clientOptions({ ...cluster, host: 'three', port: 5435 }).connectionString, 'postgres://ann:p%40ss@three:5435/shop?sslmode=disable')
})

test('the same place as somebody else, or in another database, of one host or of several', () => {
  const { user, password, connectionString } = asRole(cluster, { user: 'bob', password: 'a/b' })
  assert.deepEqual([user, password, connectionString], ['bob', 'a/b', 'postgres://bob:a%2Fb@one:5433,two,three:5435/shop?sslmode=disable'])
  assert.equal(asRole(connectionOf('postgres://one/shop', 'a'), { user: 'bob', password: 'p' }).connectionString, 'postgres://bob:p@one/shop')
  assert.deepEqual([inDatabase(cluster, 'other').database, inDatabase(cluster, 'a b').connectionString], ['other', 'postgres://ann:p%40ss@one:5433,two,three:5435/a%20b?sslmode=disable'])
  assert.equal(inDatabase(connectionOf('postgres://ann:p@one', 'a'), 'other').connectionString, 'postgres://ann:p@one/other')
})

test('what is no address of a Postgres is told by the name of its setting', () => {
  for (const text of ['http://one/shop', 'one,two', 'postgres://one:port,two/shop', '']) assert.throws(() => connectionOf(text, 'data.primary'), { code: 'topology', message: /^data\.primary is no address of a Postgres/ })
})

test('modes of TLS that mean verify-full are said so to the driver, which has nothing to warn of; others are left', async () => {
  const warned: string[] = []
  const hear = ({ message }: Error) => { warned.push(message) }
  process.on('warning', hear)
  for (const mode of ['prefer', 'require', 'verify-ca', 'verify-full', 'no-verify', 'disable']) {
    const { connectionString = '' } = clientOptions(connectionOf(`postgres://ann:sslmode=require@one/shop?a=b&sslmode=${mode}&c=d`, 'data.primary'))
    assert.match(connectionString, new RegExp(`^postgres://ann:sslmode=require@one/shop\\?a=b&sslmode=${mode.startsWith('no') || mode === 'disable' ? mode : 'verify-full'}&c=d$`))
    void new pg.Client({ connectionString })
  }
  await new Promise((resolve) => { process.nextTick(resolve) })
  process.off('warning', hear)
  assert.deepEqual(warned, [])
  const libpq = 'postgres://one/shop?uselibpqcompat=true&sslmode=require'
  assert.equal(connectionOf(libpq, 'data.primary').connectionString, libpq)
})
