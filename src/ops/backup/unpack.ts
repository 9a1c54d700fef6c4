import { hash } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import { failed, isTenfoldError } from '../../base/index.ts'
import { isMissing, replaceFile } from '../../base/private-files.ts'
import type { SystemUser } from '../../base/process.ts'
import { untar } from '../rig/base-backup.ts'
import { includeLine } from '../rig/cluster.ts'
import { type BackupManifest, partKey } from './manifest.ts'
import type { BackupStore } from './store.ts'

/** Reads a backup's parts in their order, each checked before it is passed on, the next one fetched meanwhile. Errors: `backup`. */
export async function* partsOf(store: BackupStore, { id, parts }: BackupManifest, onBytes: (bytes: number) => void = () => {}): AsyncGenerator<Buffer> {
  const fetchPart = (index: number) => {
    const part = parts[index]
    const content = part && store.get(partKey(id, part.name))
    content?.catch(() => { /* told when its turn comes */ })
    return content
  }
  let next = fetchPart(0)
  for (const [index, { name, sha256 }] of parts.entries()) {
    const content = await next
    next = fetchPart(index + 1)
    const key = partKey(id, name)
    if (!content) throw failed('backup', `${key} is missing in ${store.name}: the backup ${id} can't be restored; use another, or a copy of the store.`)
    if (hash('sha256', content) !== sha256) throw failed('backup', `${key} in ${store.name} is damaged: the backup ${id} can't be restored; use another, or a copy of the store.`)
    onBytes(content.length)
    yield content
  }
}

/** Unpacks a backup into that empty directory, as that user. Errors: `backup`; `start`, when the disk is full. */
export async function unpackBackup(store: BackupStore, backup: BackupManifest, directory: string, user: SystemUser | undefined, onBytes: (bytes: number) => void): Promise<void> {
  const tar = untar(directory, user)
  const closed = once(tar.input, 'close').catch(() => {})
  try {
    await pipeline(Readable.from(partsOf(store, backup, onBytes)), createZstdDecompress(), tar.input)
  } catch (error) {
    tar.kill()
    if (isTenfoldError(error)) throw error
    await tar.done() // a disk that is full breaks the pipe first
    throw failed('backup', `The backup ${backup.id} can't be unpacked (${(error as Error).message}): use another, or a copy of the store.`, { cause: error })
  }
  await closed
  await tar.done()
  await rm(join(directory, 'standby.signal'), { force: true })
  await completeConfiguration(directory, user)
}

const usual = { 'postgresql.conf': '', 'pg_hba.conf': 'host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n', 'pg_ident.conf': '' }

/**
 * Debian's servers keep their configuration elsewhere, and so it is in no backup. That of a server elsewhere speaks of another machine, such as of standbys for whom each commit would wait: it is set
 * aside (`postgresql.conf.before`), and what is left is as of a database of our own.
 */
async function completeConfiguration(directory: string, user: SystemUser | undefined): Promise<void> {
  const settings = await textOf(join(directory, 'postgresql.conf'))
  const isOurs = settings?.includes(includeLine) === true
  const foreign = isOurs ? [] : [...Object.keys(usual), 'postgresql.auto.conf']
  for (const name of foreign) if (await textOf(join(directory, name)) !== undefined) await rename(join(directory, name), join(directory, `${name}.before`))
  for (const [name, text] of Object.entries(usual)) if (await textOf(join(directory, name)) === undefined) await replaceFile(join(directory, name), text, { owner: user })
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: unknown) => { if (isMissing(error)) return undefined; throw error })
}
