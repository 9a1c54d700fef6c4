import { hash } from 'node:crypto'
import { AwsClient } from 'aws4fetch'
import { backoffMs, failed, systemClock, systemRandom, type TenfoldError } from '../../../base/index.ts'
import { assertKey, type BackupStore, type StoredObject } from '../store.ts'

export interface S3Place {
  /** Such as https://s3.eu-west-2.amazonaws.com, or http://127.0.0.1:9000: the bucket stands in the path. */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly prefix: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** One question, which carries at most some 16 MB, may take so long, in milliseconds. */
const answerMs = 60_000
const attempts = 4
const removedAtOnce = 8

/** Any server that speaks S3 (Amazon's REST API; "Signature Version 4"): AWS, MinIO, R2, Ceph, ... Each object is one request, signed with its SHA-256, which the server checks. */
export function s3Store(place: S3Place): BackupStore {
  const { bucket, prefix } = place
  const name = `s3://${bucket}${prefix && `/${prefix}`}`
  const client = new AwsClient({ ...place, service: 's3', retries: 0 })
  const base = `${place.endpoint.replace(/\/+$/, '')}/${bucket}`
  const objectKey = (key: string) => { assertKey(key); return prefix ? `${prefix}/${key}` : key }
  const ask = async (method: string, path: string, expected: readonly number[], body?: Uint8Array, headers: Record<string, string> = {}): Promise<Response> => {
    for (let attempt = 1; ; attempt++) {
      const answer = await send(client, `${base}${path}`, { method, headers: { 'x-amz-content-sha256': hash('sha256', body ?? ''), ...headers }, ...(body ? { body: body as Uint8Array<ArrayBuffer> } : {}) })
      if ('status' in answer && expected.includes(answer.status)) return answer
      const passing = !('status' in answer) || answer.status >= 500 || answer.status === 429
      if (!passing || attempt === attempts) throw await storeFault(answer, name, place)
      if ('status' in answer) await answer.body?.cancel()
      await systemClock.sleep(backoffMs(systemRandom, attempt, 100, 5_000))
    }
  }
  const has = async (key: string) => (await ask('HEAD', `/${objectKey(key)}`, [200, 404])).status === 200
  return {
    name,
    async put(key, content) { await (await ask('PUT', `/${objectKey(key)}`, [200], content)).body?.cancel() },
    async create(key, content) {
      // the server decides where it knows If-None-Match; where it doesn't, one writer is all that is safe, and all there is
      if (await has(key)) return false
      const { status, body } = await ask('PUT', `/${objectKey(key)}`, [200, 409, 412], content, { 'if-none-match': '*' })
      await body?.cancel()
      return status === 200
    },
    async get(key) {
      for (let attempt = 1; ; attempt++) {
        const answer = await ask('GET', `/${objectKey(key)}`, [200, 404])
        if (answer.status === 404) {
          const text = await answer.text()
          if (text.includes('NoSuchBucket')) throw noBucket(name, bucket)
          return undefined
        }
        try {
          return Buffer.from(await answer.arrayBuffer())
        } catch (cause) { // cut off half-way
          if (attempt === attempts) throw await storeFault({ cause }, name, place)
        }
      }
    },
    async list(wanted) {
      const found: StoredObject[] = []
      const below = prefix ? `${prefix}/` : ''
      for (let token: string | undefined; ;) {
        const query = new URLSearchParams({ 'list-type': '2', prefix: `${below}${wanted}`, ...(token ? { 'continuation-token': token } : {}) })
        const text = await (await ask('GET', `/?${query}`, [200])).text()
        for (const [, item = ''] of text.matchAll(/<Contents>([^]*?)<\/Contents>/g)) found.push({ key: element(item, 'Key').slice(below.length), bytes: Number(element(item, 'Size')) })
        token = element(text, 'IsTruncated') === 'true' ? element(text, 'NextContinuationToken') : undefined
        if (!token) return found.toSorted((one, other) => (one.key < other.key ? -1 : 1))
      }
    },
    async remove(keys) {
      for (let at = 0; at < keys.length; at += removedAtOnce) await Promise.all(keys.slice(at, at + removedAtOnce).map(async (key) => (await ask('DELETE', `/${objectKey(key)}`, [200, 204, 404])).body?.cancel()))
    },
    async sweep() {}, // an object that did not come whole is not there
  }
}

type Failure = { readonly cause: unknown }

async function send(client: AwsClient, url: string, init: RequestInit): Promise<Response | Failure> {
  try {
    return await client.fetch(url, { ...init, signal: AbortSignal.timeout(answerMs) })
  } catch (cause) {
    return { cause }
  }
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The text of the first element of that name; empty when there is none. */
function element(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? ''
  return text.replaceAll(/&(?:#(\d+)|(\w+));/g, (whole, code: string | undefined, word: string | undefined) => (code ? String.fromCodePoint(Number(code)) : entities[word ?? ''] ?? whole))
}

function noBucket(name: string, bucket: string): TenfoldError { return failed('backup', `The store of backups ${name} has no bucket ${bucket}: create it, or correct its name.`) }

async function storeFault(answer: Response | Failure, name: string, { endpoint, bucket, region }: S3Place): Promise<TenfoldError> {
  const store = `The store of backups ${name}`
  if (!('status' in answer)) {
    const { cause } = answer
    const reason = (cause as { cause?: { code?: string } }).cause?.code ?? (cause as Error).message
    if ((cause as Error).name === 'TimeoutError') return failed('backup', `${store} did not answer within ${answerMs / 1000} s at ${endpoint}: see whether it works, and try again.`, { cause })
    return failed('backup', `${store} cannot be reached at ${endpoint} (${reason}): see whether it runs, or correct the endpoint.`, { cause })
  }
  const text = await answer.text().catch(() => '')
  const code = element(text, 'Code') || String(answer.status)
  if (code === 'NoSuchBucket') return noBucket(name, bucket)
  if (answer.status === 301 || answer.status === 307 || code === 'AuthorizationHeaderMalformed') return failed('backup', `${store} is not in the region ${region}: correct the region (AWS_REGION), or the endpoint.`)
  if (code === 'RequestTimeTooSkewed') return failed('backup', `${store} finds the clock of this machine wrong: set it (by NTP), and try again.`)
  if (answer.status === 401 || answer.status === 403) return failed('backup', `${store} refuses the credentials (${code}): correct the access key and its secret (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), and what they may do.`)
  if (answer.status === 404) return failed('backup', `${store} answers as if there were no bucket ${bucket}: create it, or correct its name or the endpoint.`)
  return failed('backup', `${store} does not do what it is asked (${code}${element(text, 'Message') && `, ${element(text, 'Message')}`}): see to it, and try again.`)
}
