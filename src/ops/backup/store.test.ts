import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, utimes, writeFile, mkdir, readdir, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { storeContract } from './contract.ts'
import { folderStore } from './drivers/folder.ts'
import { s3Store } from './drivers/s3.ts'
import { startFixture } from './backup.fixture.ts'
import { openStore } from './open-store.ts'
import { verifyStore } from './verify.ts'

const parent = await mkdtemp(join(tmpdir(), 'tenfold-store-'))

describe('a folder of backups', () => {
  for (const [index, { name, run }] of storeContract.entries()) test(name, () => run(folderStore(join(parent, `folder${index}`))))

  test('is for its owner only, and what a killed writer left is not seen, and goes after an hour', async () => {
    const store = folderStore(join(parent, 'kept'))
    await store.put('a/b', Buffer.from('x'))
    assert.deepEqual([(await stat(join(parent, 'kept/a'))).mode & 0o777, (await stat(join(parent, 'kept/a/b'))).mode & 0o777], [0o700, 0o600])
    const [young, old] = ['a/c.0123456789ab.new', 'a/d.0123456789ab.new'].map((key) => join(parent, 'kept', key)) as [string, string]
    for (const path of [young, old]) await writeFile(path, 'half')
    await utimes(old, 1, 1)
    assert.deepEqual((await store.list('')).map(({ key }) => key), ['a/b'])
    await store.sweep()
    assert.deepEqual((await readdir(join(parent, 'kept/a'))).toSorted(), ['b', 'c.0123456789ab.new'])
  })

  test('says in a sentence why it can\'t be used', async () => {
    await writeFile(join(parent, 'file'), '')
    await assert.rejects(folderStore(join(parent, 'file')).put('a/b', Buffer.from('x')), { code: 'backup', message: /^The store of backups .*file has a file in its way: move that away, or choose another folder\.$/ })
    if (process.getuid?.() === 0) return
    await mkdir(join(parent, 'closed'))
    await chmod(join(parent, 'closed'), 0)
    await assert.rejects(folderStore(join(parent, 'closed')).put('a/b', Buffer.from('x')), { code: 'backup', message: /is closed to the user/ })
  })
})

interface S3Server { readonly endpoint: string; close(): Promise<void> }

/** A local server that speaks S3; where it can't be loaded these tests are skipped by name. */
async function s3Server(): Promise<S3Server | string> {
  try {
    const { default: S3rver } = await import('s3rver' as string) as { default: new (options: object) => { run(): Promise<AddressInfo>; close(): Promise<void> } }
    const directory = await mkdtemp(join(tmpdir(), 'tenfold-s3-'))
    const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory, configureBuckets: [{ name: 'backups' }] })
    const { port } = await server.run()
    return { endpoint: `http://127.0.0.1:${port}`, async close() { await server.close(); await rm(directory, { recursive: true }) } }
  } catch (error) {
    return `no S3 server here: ${(error as Error).message}`
  }
}

const server = await s3Server()
const place = { endpoint: typeof server === 'string' ? '' : server.endpoint, region: 'us-east-1', bucket: 'backups', accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
after(async () => {
  if (typeof server !== 'string') await server.close()
  await rm(parent, { recursive: true })
})

describe('backups in S3', { skip: typeof server === 'string' && server }, () => {
  for (const [index, { name, run }] of storeContract.entries()) test(name, () => run(s3Store({ ...place, prefix: `of/case-${index}` })))

  test('without a prefix they stand at the top; wrong credentials, no bucket and nobody there are a sentence each', async () => {
    const wrong = (more: object, message: RegExp) => assert.rejects(s3Store({ ...place, prefix: '', ...more }).list('of/'), { code: 'backup', message })
    assert.ok((await s3Store({ ...place, prefix: '' }).list('of/')).length > 0)
    await wrong({ accessKeyId: 'WRONG' }, /^The store of backups s3:\/\/backups refuses the credentials \(InvalidAccessKeyId\): correct the access key and its secret \(AWS_ACCESS_KEY_ID/)
    await wrong({ bucket: 'nowhere' }, /has no bucket nowhere: create it, or correct its name\.$/)
    await wrong({ endpoint: 'http://127.0.0.1:1' }, /cannot be reached at http:\/\/127\.0\.0\.1:1 \(.+\): see whether it runs, or correct the endpoint\.$/)
    await assert.rejects(s3Store({ ...place, prefix: '', bucket: 'nowhere' }).get('x'), { code: 'backup', message: /has no bucket/ })
  })

  test('a database is backed up there, its log with it, and restored from there', async () => {
    const fixture = await startFixture({ store: () => s3Store({ ...place, prefix: 'database' }) })
    try {
      await fixture.ask('create table numbers as select 1 as number')
      await fixture.backup()
      await fixture.ask('insert into numbers values (2)')
      await fixture.archived()
      assert.deepEqual((({ backups, logFaults }) => [backups.map(({ fault }) => fault), logFaults])(await verifyStore(fixture.store)), [[undefined], []])
      assert.equal((await fixture.restored('latest', 'select sum(number) from numbers')).answer, '3')
    } finally {
      await fixture.end()
    }
  })

  test('a server that stumbles is asked again; one that cuts an answer off too', async () => {
    let asked = 0
    const flaky = await listening(createServer((request, response) => {
      asked++
      if (asked === 1) response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>')
      else if (asked === 2) request.socket.destroy()
      else if (asked === 3) { response.writeHead(200, { 'content-length': '10' }).write('half'); setImmediate(() => request.socket.destroy()) }
      else response.writeHead(200).end('whole')
    }))
    assert.equal(String(await s3Store({ ...place, prefix: '', endpoint: flaky.endpoint }).get('x')), 'whole')
    assert.equal(asked, 4)
    await flaky.close()
    const down = await listening(createServer((_request, response) => { response.writeHead(503).end('<Error><Code>SlowDown</Code><Message>Later &amp; slower</Message></Error>') }))
    await assert.rejects(s3Store({ ...place, prefix: '', endpoint: down.endpoint }).put('x', Buffer.from('x')), { code: 'backup', message: /does not do what it is asked \(SlowDown, Later & slower\): see to it, and try again\.$/ })
    await down.close()
  })
})

async function listening(http: Server): Promise<S3Server> {
  await new Promise<void>((resolve) => { http.listen(0, '127.0.0.1', resolve) })
  return { endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, async close() { http.closeAllConnections(); await new Promise((resolve) => { http.close(resolve) }) } }
}

test('a store is a folder or s3://bucket/prefix; what else it needs comes from the topology or the environment', async () => {
  assert.equal((await openStore({ to: parent })).name, parent)
  const environment = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', KEY: 'c' }
  assert.equal((await openStore({ to: 's3://bucket/some/where/' }, environment)).name, 's3://bucket/some/where')
  assert.equal((await openStore({ to: 's3://bucket', s3: { accessKey: 'env:KEY', secretKey: 'env:KEY' } }, { KEY: 'c' })).name, 's3://bucket')
  for (const to of ['s3://', 's3://B', 'ftp://bucket/x', 's3://bucket/../x', 's3://bucket/a b']) await assert.rejects(openStore({ to }, environment), { code: 'usage', message: /is no store of backups: use a folder, or s3:\/\/bucket\/prefix\.$/ }, to)
  await assert.rejects(openStore({ to: 's3://bucket' }, {}), { code: 'secret', message: /^backup\.s3\.accessKey refers to the environment variable AWS_ACCESS_KEY_ID, which is not set/ })
})
