import { hash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type FileRef, kindOf, type RouteDefinition } from '../app/index.ts'
import { milliseconds } from '../base/index.ts'
import type { Call, Platform } from '../calls/index.ts'

/** On every response. There is no page here that a browser should run or frame. */
export const securityHeaders = {
  'x-content-type-options': 'nosniff', 'content-security-policy': `default-src 'none'; frame-ancestors 'none'`, 'referrer-policy': 'no-referrer', 'x-frame-options': 'DENY',
} as const

/** A frozen answer is shared from the cache: it is written out, and its tag computed, once. */
const written = new WeakMap<object, { text: string; etag: string }>()

const json = 'application/json; charset=utf-8'

export type Answerer = (request: FastifyRequest, reply: FastifyReply, answer: unknown) => unknown

/** Writes a route's answers: status, headers, JSON, or a file's bytes. */
export function answerer(platform: Platform, route: RouteDefinition): Answerer {
  const cacheControl = cacheControlOf(route)
  const isFile = kindOf(route.procedure.output) === 'file'
  return (request, reply, answer) => {
    reply.header('cache-control', cacheControl)
    if (isFile) return sendFile(platform, request, reply, answer as FileRef)
    if (route.location) reply.header('location', route.location(answer))
    reply.code(route.status)
    if (route.status === 204) return reply.send()
    const { text, etag } = write(answer)
    if (route.method === 'GET' && isKnown(request, reply, etag)) return reply.code(304).send()
    return reply.header('content-type', json).send(text)
  }
}

function write(answer: unknown): { text: string; etag: string } {
  const shared = answer !== null && typeof answer === 'object' && Object.isFrozen(answer)
  const known = shared ? written.get(answer) : undefined
  if (known) return known
  const text = JSON.stringify(answer ?? null)
  const made = { text, etag: tagOf(text) }
  if (shared) written.set(answer, made)
  return made
}

/** What stays the same as long as the process runs: its tag is computed once. */
export function tagged(body: string | Buffer, type = json): (request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  const etag = tagOf(body)
  return (request, reply) => isKnown(request, reply, etag) ? reply.code(304).send() : reply.header('content-type', type).send(body)
}

function tagOf(text: string | Buffer): string { return `"${hash('sha256', text, 'base64url').slice(0, 27)}"` }

/** Tells the tag, and whether the client has what it stands for (RFC 9110, section 13.1.2: weak comparison). */
function isKnown(request: FastifyRequest, reply: FastifyReply, etag: string): boolean {
  reply.header('etag', etag)
  const header = request.headers['if-none-match']
  return header !== undefined && (header.trim() === '*' || header.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === etag))
}

async function sendFile(platform: Platform, request: FastifyRequest, reply: FastifyReply, file: FileRef): Promise<unknown> {
  if (isKnown(request, reply, `"${file.sha256.slice(0, 27)}"`)) return reply.code(304).send()
  const stream = await platform.files.read(file)
  return reply.headers({ 'content-type': file.type, 'content-length': file.bytes, 'content-disposition': `inline; filename="${file.name.replaceAll(/[^\w.-]+/g, '-')}"` })
    .send(Readable.fromWeb(stream as never)) // Node's and the DOM's stream types differ in name only
}

function cacheControlOf({ edge, auth, method }: RouteDefinition): string {
  if (edge && method === 'GET') {
    const stale = edge.staleWhileRevalidate ? `, stale-while-revalidate=${milliseconds(edge.staleWhileRevalidate) / 1000}` : ''
    return `public, max-age=${milliseconds(edge.maxAge) / 1000}${stale}`
  }
  if (method !== 'GET') return 'no-store'
  return auth['~auth'] === 'public' ? 'no-cache' : 'private, no-cache'
}

/** The limits that counted this request: the RateLimit header fields (draft-ietf-httpapi-ratelimit-headers-11). */
export function limitHeaders(reply: FastifyReply, limits: NonNullable<Call['arrival']>['limits']): void {
  const [first] = limits
  if (!first) return
  reply.header('ratelimit-policy', limits.length === 1 ? policyOf(first) : limits.map(policyOf).join(', '))
  reply.header('ratelimit', limits.length === 1 ? stateOf(first) : limits.map(stateOf).join(', '))
}

type Counted = NonNullable<Call['arrival']>['limits'][number]
function policyOf({ name, limit, windowSeconds }: Counted): string { return `"${name}";q=${limit};w=${windowSeconds}` }
function stateOf({ name, remaining, resetSeconds }: Counted): string { return `"${name}";r=${remaining};t=${resetSeconds}` }
