import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
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
import { type SignedS3, signedS3 } from './signed-s3.fixture.ts'
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

const region = 'eu-west-2'
const credentials = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY=' }

/** A local server that speaks S3, and looks at signatures as Amazon's does; where it can't be loaded these tests are skipped by name. */
async function s3Server(): Promise<SignedS3 | string> {
  try {
    const { default: S3rver } = await import('s3rver' as string) as { default: new (options: object) => { run(): Promise<AddressInfo>; close(): Promise<void> } }
    const directory = await mkdtemp(join(tmpdir(), 'tenfold-s3-'))
    const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory, configureBuckets: [{ name: 'backups' }] })
    const { port } = await server.run()
    const strict = await signedS3(`http://127.0.0.1:${port}`, region, { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }, credentials)
    const { close } = strict
    return Object.assign(strict, { async close() { await close(); await server.close(); await rm(directory, { recursive: true }) } })
  } catch (error) {
    return `no S3 server here: ${(error as Error).message}`
  }
}

const server = await s3Server()
const place = { endpoint: typeof server === 'string' ? '' : server.endpoint, region, bucket: 'backups', ...credentials }
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

  test('each request is signed as Amazon reckons it; what is not is refused, with what to correct', async () => {
    assert.ok(typeof server !== 'string')
    const store = s3Store({ ...place, prefix: 'signed/a-b_c.d' })
    server.passed.length = 0
    const keys = Array.from({ length: 25 }, (_, index) => `full/20261125T100000.${String(index).padStart(3, '0')}Z/base_1-2.tar.zst`)
    for (const key of keys) await store.put(key, Buffer.from(key))
    assert.deepEqual((await store.list('full/2026')).map(({ key }) => key), keys)
    assert.deepEqual(server.passed.filter((one) => one.includes('list')), ['GET list-type prefix', ...Array.from({ length: 2 }, () => 'GET list-type prefix continuation-token')])
    const refused = (more: object, code: string) => assert.rejects(s3Store({ ...place, prefix: '', ...more }).list('of/'), { code: 'backup', message: `The store of backups s3://backups refuses the credentials (${code}): correct the access key and its secret (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), and what they may do.` })
    await refused({ secretAccessKey: credentials.secretAccessKey.toLowerCase() }, 'SignatureDoesNotMatch')
    await assert.rejects(s3Store({ ...place, prefix: '', secretAccessKey: 'wrong' }).put('a', Buffer.from('x')), { code: 'backup', message: /\(SignatureDoesNotMatch\)/ })
    await assert.rejects(s3Store({ ...place, prefix: '', region: 'us-east-1' }).list('of/'), { code: 'backup', message: /is not in the region us-east-1: correct the region/ })
    server.aheadMs = 16 * 60_000
    await assert.rejects(s3Store({ ...place, prefix: '' }).list('of/'), { code: 'backup', message: /finds the clock of this machine wrong: set it/ })
    server.aheadMs = 0
    // The strict one itself: what was not signed, and a body that is another than was signed.
    const url = `${place.endpoint}/backups/signed/x`
    assert.equal((await fetch(url)).status, 403)
    const { AwsClient } = await import('aws4fetch')
    const request = await new AwsClient({ ...credentials, region, service: 's3' }).sign(url, { method: 'PUT', body: 'one', headers: { 'x-amz-content-sha256': hash('sha256', 'one') } })
    const other = await fetch(url, { method: 'PUT', body: 'two', headers: request.headers })
    assert.match(await other.text(), /XAmzContentSHA256Mismatch/)
    assert.equal(await store.get('x'), undefined)
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
