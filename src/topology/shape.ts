import { jsonSchema, type JsonSchema, t } from '../app/index.ts'
import { stages } from './stages.ts'
import type { BackupPolicy, DataTopology, SingleTopology, WiderTopology } from './topology.ts'

/** What JSON Schema can say of a topology: which settings there are, and of which kind. That they go together says `check.ts`. */
export const shapes: Readonly<Record<'any' | 'single' | 'wider', JsonSchema>> = {
  any: { ...object<{ stage: string }>(['stage'], { stage: stage() }), additionalProperties: true }, // until its stage is known
  single: single(), wider: wider(),
}

/** `fields` are those of the type, and no other: the compiler holds the shape to it. */
function object<T extends object>(required: readonly (keyof T & string)[], fields: { readonly [K in keyof Required<T>]: JsonSchema }): JsonSchema {
  return { type: 'object', required, properties: fields, additionalProperties: false }
}

/** Names that the application makes, each with the same. */
function named(each: JsonSchema): JsonSchema { return { type: 'object', additionalProperties: each } }

function listOf(items: JsonSchema): JsonSchema { return { type: 'array', items } }
function oneOf(...values: readonly string[]): JsonSchema {
  const [only, ...more] = values.map((value) => t.Literal(value))
  return jsonSchema(only && more.length === 0 ? only : t.Union(values.map((value) => t.Literal(value))))
}
function stage(): JsonSchema { return oneOf(...stages.map(({ name }) => name)) }
function whole(minimum: number, maximum?: number): JsonSchema { return jsonSchema(t.Integer({ minimum, ...(maximum === undefined ? {} : { maximum }) })) }
function text(): JsonSchema { return jsonSchema(t.String()) }

function everywhere() {
  return {
    ports: object<{ web: number; ops: number }>(['web', 'ops'], { web: whole(0, 65_535), ops: whole(0, 65_535) }),
    host: text(), secret: text(), dependencies: named(named(text())), cors: listOf(text()), docs: jsonSchema(t.Boolean()),
    rateLimit: { anyOf: [oneOf('off'), object<{ perAddress: string }>(['perAddress'], { perAddress: text() })] },
    tracing: object<{ endpoint: string; share?: number }>(['endpoint'], { endpoint: text(), share: jsonSchema(t.Number({ minimum: 0, maximum: 1 })) }),
    backup: object<BackupPolicy>(['to'], { to: text(), s3: object<Required<BackupPolicy>['s3']>([], { endpoint: text(), region: text(), accessKey: text(), secretKey: text() }), every: text(), keep: whole(1, 1_000), loseAtMost: text() }),
  }
}

function single(): JsonSchema { return object<SingleTopology>(['stage'], { ...everywhere(), stage: oneOf('single'), data: text() }) }

function wider(): JsonSchema {
  const processes = (...scales: readonly string[]) => ({ anyOf: [whole(1), object<{ min: number; max: number; scaleOn: string }>(['min', 'max', 'scaleOn'], { min: whole(0), max: whole(1), scaleOn: oneOf(...scales) })] })
  const fleet = (...scales: readonly string[]) => object<{ processes: unknown }>(['processes'], { processes: processes(...scales) })
  const redis = (eviction: string) => object<{ engine: string; urls: unknown; eviction: string }>(['engine', 'urls', 'eviction'], { engine: oneOf('redis'), urls: listOf(text()), eviction: oneOf(eviction) })
  const postgres = object<{ engine: string }>(['engine'], { engine: oneOf('postgres') })
  return object<WiderTopology<any>>(['stage', 'secret', 'data'], {
    ...everywhere(), stage: stage(), directory: text(), data: data(),
    balancer: object<Required<WiderTopology<any>>['balancer']>(['engine', 'algorithm'], { engine: oneOf('haproxy'), algorithm: oneOf('round-robin', 'least-connections') }),
    web: fleet('cpu', 'latency'), workers: fleet('queueDepth'),
    cache: object<Required<WiderTopology<any>>['cache']>(['memory'], { memory: text(), shared: redis('allkeys-lru') }),
    store: { anyOf: [postgres, redis('noeviction')] },
    events: { anyOf: [postgres, object<{ engine: string; brokers: unknown; partitions: number }>(['engine', 'brokers', 'partitions'], { engine: oneOf('kafka'), brokers: listOf(text()), partitions: whole(1) })] },
    services: named(object<{ processes: number }>(['processes'], { processes: whole(1) })),
  })
}

function data(): JsonSchema {
  return object<DataTopology<any>>(['engine', 'primary', 'pool'], {
    engine: oneOf('postgres'), primary: text(), replicas: listOf(text()), connections: whole(1), lagLimit: text(),
    pooler: object<Required<DataTopology<any>>['pooler']>(['engine', 'primary'], { engine: oneOf('pgbouncer'), primary: text(), replicas: listOf(text()), size: whole(1) }),
    pool: object<DataTopology<any>['pool']>(['max', 'waitMs'], { max: whole(1, 1_000), waitMs: whole(1, 60_000) }),
    shards: named(object<{ count: number; databases: unknown }>(['count', 'databases'], { count: whole(1), databases: listOf(text()) })),
  })
}
