/**
 * What stands before an S3 server that looks at the access key only, and is as strict as Amazon's: it reckons each request's signature
 * itself, by an implementation that is not the store's (aws4), and passes on what is signed right, ten keys of a list at a time.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { systemClock } from '../../base/index.ts'

export interface Credentials { readonly accessKeyId: string; readonly secretAccessKey: string }

export interface SignedS3 {
  readonly endpoint: string
  /** How far its clock is ahead of ours, in milliseconds. */
  aheadMs: number
  /** The requests that it let through, such as `GET list-type=2`. */
  readonly passed: string[]
  close(): Promise<void>
}

interface Signable { readonly host: string; readonly method: string; readonly path: string; readonly headers: Record<string, string>; readonly service: 's3'; readonly region: string; readonly body?: Buffer }
const { default: { sign } } = await import('aws4' as string) as { default: { sign(request: Signable, by: Credentials): { headers: Record<string, string> } } } // it has no types

/** Amazon's own figure. */
const skewMsMax = 15 * 60_000
const pageKeys = 10
/** In every token that continues a list: what a query must escape. */
const tokenMark = '+/=& %'

export async function signedS3(upstream: string, region: string, theirs: Credentials, credentials: Credentials): Promise<SignedS3> {
  const passed: string[] = []
  const http = createServer(async (request, response) => {
    const body = await buffer(request)
    const fault = faultOf(request, body, { region, credentials, nowMs: systemClock.now() + proxy.aheadMs })
    if (fault) return void response.writeHead(fault === 'XAmzContentSHA256Mismatch' ? 400 : 403).end(request.method === 'HEAD' ? undefined : `<Error><Code>${fault}</Code></Error>`)
    const url = new URL(request.url ?? '/', upstream)
    const isList = url.searchParams.has('list-type')
    const token = url.searchParams.get('continuation-token')
    passed.push(`${request.method} ${[...url.searchParams.keys()].join(' ')}`.trim())
    url.searchParams.delete('continuation-token')
    const kept = Object.fromEntries(['if-none-match', 'content-type'].flatMap((name) => typeof request.headers[name] === 'string' ? [[name, request.headers[name]]] : [])) as Record<string, string>
    const { headers } = sign({ host: url.host, method: request.method ?? 'GET', path: `${url.pathname}${url.search}`, headers: kept, service: 's3', region, body }, theirs)
    const { Host: _itsOwn, 'Content-Length': _itsLength, ...sent } = headers
    const answer = await fetch(url, { method: request.method ?? 'GET', headers: sent, ...(body.length > 0 ? { body: body as Buffer<ArrayBuffer> } : {}) })
    const content = Buffer.from(await answer.arrayBuffer())
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/octet-stream' }).end(isList && answer.ok ? page(String(content), token) : content)
  })
  await new Promise<void>((resolve) => { http.listen(0, '127.0.0.1', resolve) })
  const proxy: SignedS3 = {
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, aheadMs: 0, passed,
    async close() { http.closeAllConnections(); await new Promise((resolve) => { http.close(resolve) }) },
  }
  return proxy
}

/** The server behind knows no tokens on a present OpenSSL: its whole list, cut. The token is the last key of the page before. */
function page(list: string, token: string | null): string {
  const after = token?.replace(tokenMark, '') ?? ''
  const keyOf = (item: string) => /<Key>([^<]*)/.exec(item)?.[1] ?? ''
  const left = [...list.matchAll(/<Contents>[^]*?<\/Contents>/g)].map(([item]) => item).filter((item) => keyOf(item) > after)
  const told = left.slice(0, pageKeys)
  const next = left.length > pageKeys ? `<NextContinuationToken>${tokenMark.replace('&', '&amp;')}${keyOf(told.at(-1) ?? '')}</NextContinuationToken>` : ''
  return `<ListBucketResult><IsTruncated>${next !== ''}</IsTruncated>${next}${told.join('')}</ListBucketResult>`
}

/** As Amazon calls it (Signature Version 4: "Authenticating Requests: Using the Authorization Header"); undefined when it is signed right. */
function faultOf({ method = 'GET', url = '/', headers }: IncomingMessage, body: Buffer, { region, credentials, nowMs }: { region: string; credentials: Credentials; nowMs: number }): string | undefined {
  const [, accessKeyId = '', date = '', signedRegion, names = '', signature = ''] = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? '') ?? []
  if (!signature) return 'AccessDenied'
  if (accessKeyId !== credentials.accessKeyId) return 'InvalidAccessKeyId'
  if (signedRegion !== region) return 'AuthorizationHeaderMalformed'
  const signed = names.split(';')
  if (!signed.includes('host') || Object.keys(headers).some((name) => name.startsWith('x-amz-') && !signed.includes(name))) return 'AccessDenied'
  const at = String(headers['x-amz-date'])
  const atMs = Date.parse(at.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!at.startsWith(date) || !(Math.abs(atMs - nowMs) <= skewMsMax)) return 'RequestTimeTooSkewed'
  if (headers['x-amz-content-sha256'] !== hash('sha256', body)) return 'XAmzContentSHA256Mismatch'
  const those = Object.fromEntries(signed.map((name) => [name, String(headers[name])]))
  const { headers: { Authorization: right = '' } } = sign({ host: String(headers.host), method, path: url, headers: those, service: 's3', region }, credentials)
  return timingSafeEqual(Buffer.from(right.slice(-64)), Buffer.from(signature)) ? undefined : 'SignatureDoesNotMatch'
}
