import assert from 'node:assert/strict'
import type { BackupStore } from './store.ts'

/** What every store of backups does. Each case gets an empty one; a driver of your own is run through the same. */
export interface ContractCase { readonly name: string; run(store: BackupStore): Promise<void> }

const bytes = (text: string) => Buffer.from(text)
const keysOf = async (store: BackupStore, prefix: string) => (await store.list(prefix)).map(({ key }) => key)

export const storeContract: readonly ContractCase[] = [
  {
    name: 'what was put is there, byte for byte, and what was not is not',
    async run(store) {
      const every = Buffer.from(Array.from({ length: 4096 }, (_, index) => index % 256))
      await store.put('a/b/every.zst', every)
      await store.put('a/empty', new Uint8Array())
      assert.deepEqual(await store.get('a/b/every.zst'), every)
      assert.deepEqual(await store.get('a/empty'), Buffer.alloc(0))
      assert.equal(await store.get('a/b'), undefined)
      assert.equal(await store.get('nothing'), undefined)
    },
  },
  {
    name: 'put replaces; create does not, and says so; of many at once one creates',
    async run(store) {
      await store.put('one', bytes('1'))
      await store.put('one', bytes('2'))
      assert.equal(await store.create('one', bytes('3')), false)
      assert.equal(String(await store.get('one')), '2')
      assert.equal(await store.create('two', bytes('4')), true)
      assert.equal(await store.create('two', bytes('4')), false)
      assert.equal(String(await store.get('two')), '4')
    },
  },
  {
    name: 'a list has all that begin so, in order, with their sizes, however many they are',
    async run(store) {
      const keys = Array.from({ length: 25 }, (_, index) => `wal/7/${String(index).padStart(3, '0')}`)
      await Promise.all(keys.toReversed().map((key) => store.put(key, bytes(key))))
      await store.put('wal/77/x', bytes('x'))
      await store.put('walrus', bytes('y'))
      assert.deepEqual(await store.list('wal/7/'), keys.map((key) => ({ key, bytes: 9 })))
      assert.deepEqual(await keysOf(store, 'wal/7/01'), keys.slice(10, 20))
      assert.deepEqual(await keysOf(store, ''), [...keys, 'wal/77/x', 'walrus'])
      assert.deepEqual(await keysOf(store, 'nowhere/'), [])
    },
  },
  {
    name: 'what is removed is gone; what is not there is no error',
    async run(store) {
      for (const key of ['a/1', 'a/2', 'a/3']) await store.put(key, bytes(key))
      await store.remove(['a/1', 'a/3', 'a/4'])
      await store.sweep()
      assert.deepEqual(await keysOf(store, 'a/'), ['a/2'])
    },
  },
  {
    name: '16 MB and a little more come back as they went',
    async run(store) {
      const large = Buffer.alloc(17 * 1024 ** 2, 'tenfold')
      await store.put('large', large)
      assert.ok((await store.get('large'))?.equals(large))
    },
  },
  {
    name: 'a key that leads out of the store is refused',
    async run(store) {
      for (const key of ['../out', 'a/../../out', '/etc/passwd', '', 'a//b', 'a b', 'a/.']) await assert.rejects(async () => await store.put(key, bytes('x')), { code: 'backup' }, key)
    },
  },
]
