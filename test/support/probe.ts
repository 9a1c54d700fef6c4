/** A small application behind the real HTTP tier, without a database: for tests of that tier alone. */
import { connect, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { defineApp, defineAuth, defineModule, del, fileOutput, get, notFound, pageInput, pageOf, post, put, type Rate, routes, t } from 'tenfold'
import { appDefinition, type FileRef } from '../../src/app/index.ts'
import { createCache, memoryDriver } from '../../src/cache/index.ts'
import type { Platform } from '../../src/calls/index.ts'
import { deriveKey, failed, systemRandom } from '../../src/base/index.ts'
import { createServer, type HttpOptions } from '../../src/http/index.ts'
import { createLimiter, createShedder } from '../../src/limit/index.ts'
import { createLogs, createMetrics, createTracer } from '../../src/observe/index.ts'
import { compose } from '../../src/request.ts'
import { type MovableClock, movableClock } from '../../src/testing/clock.ts'

const Id = t.String({ format: 'uuid' })
const Text = t.String({ maxLength: 100 })
const { anyone, signedIn, role, caller } = defineAuth({ principal: { id: Id, role: Text, jti: Text }, access: '15m', refresh: '7d' })
const things = defineModule<Record<never, never>>()('things', { migrations: new URL('./none/', import.meta.url) })

const Thing = t.Object({ id: Id, name: Text })
export const known = '00000000-0000-8000-8000-000000000001'
export const ann = 'Bearer ann'
/** What only a file on disk could show, and no answer may. */
export const secret = 'hunter2-in-a-stack'
export const file: FileRef = { id: 'f', name: 'a b/"c".pdf', type: 'application/pdf', bytes: 9, sha256: 'f00d'.repeat(16) }
/** What `GET /late` waits for. */
export const late = { gate: Promise.withResolvers<void>() }

const one = things.lookup('one', { input: t.Object({ id: Id }), output: Thing }).handle(async (_, { id }) => {
  if (id !== known) throw notFound('thing', id, { retryAfter: '1500ms' })
  return { id, name: 'lamp' }
})
const list = things.lookup('list', { input: pageInput({ q: t.Optional(Text), old: t.Optional(t.Boolean()), weight: t.Optional(t.Number({ minimum: 0, maximum: 9 })) }), output: pageOf(t.Object({ nth: t.Integer() })) })
  .handle(async (_, { cursor, limit = 20 }) => {
    const start = cursor === undefined ? 0 : Number(cursor)
    return { data: Array.from({ length: limit }, (_value, index) => ({ nth: start + index })), nextCursor: String(start + limit), hasMore: true }
  })
const others = things.lookup('others', { input: pageInput({}), output: pageOf(t.Object({ nth: t.Integer() })) }).handle(async () => ({ data: [], nextCursor: '0', hasMore: true }))
const add = things.action('add', { input: t.Object({ name: t.String({ minLength: 2, maxLength: 100 }), count: t.Optional(t.Integer({ minimum: 0, maximum: 10 })) }), output: Thing, backstop: { none: 'a test' } }).handle(async (_, { name }) => ({ id: known, name }))
const rename = things.action('rename', { input: t.Object({ owner: caller.id, id: Id, name: Text }), output: Thing, backstop: { none: 'a test' } }).handle(async (_, { id, name }) => ({ id, name }))
const remove = things.action('remove', { input: t.Object({ id: Id }), output: t.Null(), backstop: { none: 'a test' } }).handle(async () => null)
const keyed = things.action('keyed', { input: t.Object({ name: Text }), output: t.Null(), backstop: { none: 'a test' } }).handle(async () => null)
const broken = things.lookup('broken', { input: t.Object({}), output: t.Null() }).handle(() => { throw failed('internal', `Something of ours: ${secret}`, { cause: new TypeError(secret) }) })
const large = things.lookup('large', { input: t.Object({}), output: t.String() }).handle(async () => 'x'.repeat(32 * 1024 ** 2))
const waiting = things.lookup('waiting', { input: t.Object({}), output: t.Null() }).handle(async () => { await late.gate.promise; return null })
const paper = things.lookup('paper', { input: t.Object({}), output: fileOutput() }).handle(async () => file)

function appWith(mount: FastifyPluginAsync | undefined) {
  return defineApp('probe', { modules: [things], ...(mount ? { mount: { public: mount } } : {}), routes: [routes('/v1', [
    get('/things/{id}', one, { auth: anyone, edge: { maxAge: '1m', staleWhileRevalidate: '10s' } }), get('/things', list, { auth: anyone }), get('/others', others, { auth: signedIn }),
    post('/things', add, { auth: anyone, status: 201, location: ({ id }) => `/v1/things/${id}`, limit: [{ by: 'address', rate: '20/min' }, { by: 'name', rate: '3/min' }] }),
    put('/things/{id}', rename, { auth: signedIn, limit: [{ by: 'caller', rate: '2/s' }] }), del('/things/{id}', remove, { auth: role('admin'), status: 204 }), post('/keyed', keyed, { auth: signedIn, idempotencyKey: 'required' }),
    get('/broken', broken, { auth: anyone }), get('/large', large, { auth: anyone }), get('/late', waiting, { auth: anyone }), get('/paper', paper, { auth: signedIn }),
  ])] })
}

/** Time passes only when a test moves it: what a limit says does not hang on how busy the machine is. Timers run as they do. */
function stillClock(): MovableClock {
  const running = movableClock()
  let at = 5_000_000.123_4
  return { ...running, monotonic: () => at, move(byMs) { at += byMs; running.move(byMs) } }
}

export interface Probe {
  readonly server: FastifyInstance
  readonly clock: MovableClock
  readonly platform: Platform
  /** The log's lines, as they are written. */
  readonly lines: string[]
  /** Its port, once it listens. */
  listen(): Promise<number>
  /** A connection of one's own. */
  open(): Promise<Connection>
  [Symbol.asyncDispose](): Promise<void>
}

export async function probe(options: Partial<HttpOptions> & { perAddress?: Rate; mount?: FastifyPluginAsync } = {}): Promise<Probe> {
  const clock = stillClock()
  const lines: string[] = []
  const app = appDefinition(appWith(options.mount))
  const metrics = createMetrics()
  const platform = {
    app, clock, random: systemRandom, metrics, tracer: createTracer({ clock, random: systemRandom }), logs: createLogs({ level: 'info', write: (line) => lines.push(line) }), data: { databases: [] }, dependencies: new Map(), hostility: undefined,
    files: { read: async () => new Blob(['%PDF-1.7\n']).stream() }, key: (purpose: string) => deriveKey(Buffer.alloc(32, 7), purpose),
  } as unknown as Platform // the routes of this application ask for nothing else
  const limiter = createLimiter(clock, { perAddress: options.perAddress, on: options.perAddress !== undefined })
  const cache = createCache([], memoryDriver(1), clock, metrics)
  const authenticator = { verify: async (header: string | undefined) => header === undefined ? null : header === ann ? { id: known, role: 'user', jti: 'j' } : Promise.reject(failed('unauthenticated', 'forged')) }
  const gate = { authenticator: authenticator as never, limiter, shedder: createShedder(100, metrics) }
  const ways = new Map(app.routes.map((route) => [route, compose(platform, cache, route.procedure, { ...gate, route })]))
  const server = await createServer(platform, ways, { bodyBytesMax: 64 * 1024, corsOrigins: [], ...options }, limiter)
  const sockets: Socket[] = []
  const listen = async () => {
    if (!server.server.listening) await server.listen({ host: '127.0.0.1', port: 0 })
    return (server.server.address() as AddressInfo).port
  }
  return {
    server, clock, platform, lines, listen,
    async open() {
      const connection = connectionTo(await listen())
      sockets.push(connection.socket)
      return connection
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await server.close()
    },
  }
}

export interface Connection {
  readonly socket: Socket
  send(text: string | Buffer): void
  /** All that came back, once the server has ended the connection. */
  readonly ended: Promise<string>
  /** What came back, once it holds that. */
  until(part: string | RegExp): Promise<string>
}

function connectionTo(port: number): Connection {
  const socket = connect(port, '127.0.0.1')
  let got = ''
  socket.on('data', (part) => { got += part.toString('latin1') })
  socket.on('error', () => { /* cut: what came before counts */ })
  const ended = new Promise<string>((resolve) => { socket.on('close', () => resolve(got)) })
  return {
    socket, ended, send: (text) => { socket.write(text) },
    until: (part) => new Promise((resolve) => {
      const look = () => { if (typeof part === 'string' ? got.includes(part) : part.test(got)) resolve(got) }
      socket.on('data', look)
      look()
    }),
  }
}
