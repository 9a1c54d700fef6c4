import { resolve } from 'node:path'
import { failed, resolveSecret } from '../../base/index.ts'
import type { BackupPlace } from '../../topology/index.ts'
import { folderStore } from './drivers/folder.ts'
import { type BackupStore, isKey } from './store.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Opens the store that `place` says: a folder, or `s3://bucket/prefix`. What it doesn't say of S3 comes from the environment, by the names that AWS gave. Errors: `usage`, `secret`. */
export async function openStore(place: BackupPlace, environment: Environment = process.env): Promise<BackupStore> {
  if (!/^\w+:\/\//.test(place.to)) return folderStore(resolve(place.to))
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*?))?\/?$/.exec(place.to) ?? []
  if (bucket === undefined || (prefix !== '' && !isKey(prefix))) throw failed('usage', `${JSON.stringify(place.to)} is no store of backups: use a folder, or s3://bucket/prefix.`)
  const { s3Store } = await import('./drivers/s3.ts')
  const { s3 = {} } = place
  const region = s3.region ?? environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'] ?? 'us-east-1'
  const secret = (reference: string | undefined, where: string, variable: string) => resolveSecret(reference ?? `env:${variable}`, where, environment)
  const sessionToken = s3.accessKey === undefined ? environment['AWS_SESSION_TOKEN'] : undefined
  return s3Store({
    bucket, prefix, region,
    endpoint: s3.endpoint ?? environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'] ?? `https://s3.${region}.amazonaws.com`,
    accessKeyId: secret(s3.accessKey, 'backup.s3.accessKey', 'AWS_ACCESS_KEY_ID'), secretAccessKey: secret(s3.secretKey, 'backup.s3.secretKey', 'AWS_SECRET_ACCESS_KEY'),
    ...(sessionToken ? { sessionToken } : {}),
  })
}
