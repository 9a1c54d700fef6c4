import { hash } from 'node:crypto'

/**
 * Ids are UUIDs of version 8 (RFC 9562, section 5.8), time-ordered as version 7 is, with the 12 bits behind the version
 * holding a bucket: an id alone finds its shard.
 *
 *   48 bits Unix time in ms | 4 bits version (8) | 12 bits bucket | 2 bits variant | 62 bits of a digest
 */
export const bucketCount = 4096

const ours = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/**
 * The id that `seed` and `label` stand for at that time: the same in every attempt.
 * @param atMs milliseconds since the epoch. @param bucket 0 to 4095; without it the digest chooses one.
 */
export function deriveId(seed: string, label: string, atMs: number, bucket?: number): string {
  const digest = hash('sha256', `${seed}\n${label}`)
  const time = Math.max(0, Math.floor(atMs)).toString(16).padStart(12, '0')
  const middle = bucket === undefined ? digest.slice(0, 3) : bucket.toString(16).padStart(3, '0')
  const variant = '89ab'[Number.parseInt(digest[3] ?? '0', 16) & 3]
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-8${middle}-${variant}${digest.slice(4, 7)}-${digest.slice(7, 19)}`
}

/** A version 8 UUID from a digest alone, for keys that must come out the same without a time. */
export function digestId(text: string): string {
  const digest = hash('sha256', text)
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(12, 15)}-8${digest.slice(15, 18)}-${digest.slice(18, 30)}`
}

/** The bucket, 0 to 4095, in which rows of that shard key live: read from our own ids, hashed from anything else. */
export function bucketOf(key: string | number): number {
  if (typeof key === 'string' && ours.test(key)) return Number.parseInt(key.slice(15, 18), 16)
  return Number.parseInt(hash('sha256', String(key)).slice(0, 3), 16)
}
