import type { App } from '../app/index.ts'
import type { Duration, Rate, Secret } from '../base/index.ts'

type ModuleNames<A> = A extends App<infer M, any, any> ? M : never
type ShardedNames<A> = A extends App<any, infer N, any> ? N : never
type Size = `${number}${'kb' | 'mb' | 'gb'}`

/** What a dependency's `config` names, for each; values are plain or references to secrets. */
export type DependencyConfigs = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Where backups are kept. */
export interface BackupPlace {
  /** A folder, best on another machine's disk, or `s3://bucket/prefix`. */
  readonly to: string
  /** What the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL) would say of S3. */
  readonly s3?: { readonly endpoint?: string; readonly region?: string; readonly accessKey?: Secret; readonly secretKey?: Secret }
}

/** That the database is backed up: a full backup every so often, and its log all the time. */
export interface BackupPolicy extends BackupPlace {
  /** How often all is copied anew: a day unless told. */
  readonly every?: Duration
  /** How many full backups stay, with all the log since the oldest: 7 unless told. */
  readonly keep?: number
  /** What a lost machine may cost: no more than the last so many seconds, while the store is well. A minute unless told. */
  readonly loseAtMost?: Duration
}

interface Everywhere {
  /** 32 bytes or more, from which keys are derived. Stage 1 makes one and keeps it in its data directory. */
  readonly secret?: Secret
  readonly dependencies?: DependencyConfigs
  /** What every address may ask; `off` for load tests. 600 a minute unless told. */
  readonly rateLimit?: { readonly perAddress: Rate } | 'off'
  /** A collector that takes OTLP over HTTP, such as http://127.0.0.1:4318, and the share of requests that it is told of (0.1); failures always are. */
  readonly tracing?: { readonly endpoint: string; readonly share?: number }
  /** Origins that browsers may call from. */
  readonly cors?: readonly string[]
  /** Whether `GET /docs` shows the routes to people; true unless told. */
  readonly docs?: boolean
}

/** Stage 1: one process with an embedded Postgres. */
export interface SingleTopology extends Everywhere {
  readonly stage: 'single'
  /** The application's port, and the one for machines and those on call. 3000 and 3001 unless told. */
  readonly ports?: { readonly web: number; readonly ops: number }
  /** Loopback unless told. */
  readonly host?: string
  /** The data directory; `.tenfold` unless told. */
  readonly data?: string
  /** Not backed up unless told where to. */
  readonly backup?: BackupPolicy
}

/** Stages 2 to 7, as data; which of them this version starts, `start` says. */
export interface WiderTopology<A> extends Everywhere {
  readonly stage: 'split' | 'balanced' | 'cached' | 'elastic' | 'sharded' | 'global'
  readonly balancer?: { readonly engine: 'haproxy'; readonly algorithm: 'round-robin' | 'least-connections' }
  readonly web: { readonly processes: number | { readonly min: number; readonly max: number; readonly scaleOn: 'cpu' | 'latency' } }
  readonly workers: { readonly processes: number | { readonly min: number; readonly max: number; readonly scaleOn: 'queueDepth' } }
  readonly data: {
    readonly engine: 'postgres'; readonly primary: Secret; readonly replicas?: readonly Secret[]; readonly pooler?: 'pgbouncer'; readonly pool: { readonly max: number; readonly waitMs: number }
    readonly shards?: { readonly [N in ShardedNames<A>]?: { readonly count: number; readonly databases: readonly Secret[] } }
  }
  readonly cache?: { readonly memory: Size; readonly shared?: { readonly engine: 'redis'; readonly urls: readonly Secret[]; readonly eviction: 'allkeys-lru' } }
  readonly store?: { readonly engine: 'postgres' } | { readonly engine: 'redis'; readonly urls: readonly Secret[]; readonly eviction: 'noeviction' }
  readonly events?: { readonly engine: 'postgres' } | { readonly engine: 'kafka'; readonly brokers: readonly Secret[]; readonly partitions: number }
  readonly services?: { readonly [N in ModuleNames<A>]?: { readonly processes: number } }
}

/** Which engine serves each tier, and how many of it: plain data, the one thing that changes as an application grows. */
export type Topology<A = App<string, string, object>> = SingleTopology | WiderTopology<A>

/** `defineTopology<typeof app>({ stage: 'single' })`: the same value, held to the application's modules by the compiler. */
export function defineTopology<A>(topology: Topology<A>): Topology<A> {
  return topology
}
