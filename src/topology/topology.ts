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
  /** The application's port, and the one for machines and those on call. 3000 and 3001 unless told. */
  readonly ports?: { readonly web: number; readonly ops: number }
  /** Loopback unless told. */
  readonly host?: string
  /** 32 bytes or more, from which keys are derived. Stage 1 makes one and keeps it in its data directory. */
  readonly secret?: Secret
  readonly dependencies?: DependencyConfigs
  /** What every address may ask; `off` for load tests. 600 a minute unless told. */
  readonly rateLimit?: { readonly perAddress: Rate } | 'off'
  /** A collector that takes OTLP over HTTP, such as http://127.0.0.1:4318, and the share of requests that it is told of (0.1); failures always are. */
  readonly tracing?: { readonly endpoint: string; readonly share?: number }
  /** Origins that browsers may call from. */
  readonly cors?: readonly string[]
  /** Not backed up unless told where to. */
  readonly backup?: BackupPolicy
  /** Whether `GET /docs` shows the routes to people; true unless told. */
  readonly docs?: boolean
}

/** Stage 1: one process with an embedded Postgres. */
export interface SingleTopology extends Everywhere {
  readonly stage: 'single'
  /** The data directory; `.tenfold` unless told. */
  readonly data?: string
}

/**
 * Postgres on servers of its own. Where each is, with its password, is a secret: `postgres://user:password@host:5432/database`.
 *
 * TLS is as `?sslmode=` says. Left out, or `disable`: none. `verify-full`: the server's certificate is of an authority that this machine
 * trusts (or of `&sslrootcert=FILE`), and of that host; `prefer`, `require` and `verify-ca` mean the same here, since what encrypts without
 * knowing for whom protects from nobody who stands between. `no-verify`: encrypted, to whoever answers.
 */
export interface DataTopology<A> {
  readonly engine: 'postgres'
  /**
   * As a role that may make schemas and roles: migrations run as it, the application as `tenfold_app`. Several hosts, parted by commas,
   * are the servers of one cluster: whichever is the primary is found, also after a failover.
   */
  readonly primary: Secret
  /**
   * Streaming copies, three at most that help; reads go there where the caller has seen nothing newer. The application is `tenfold_app` there
   * as on the primary: a URL needs no user and no password, and what it says of them is not used. (Poolers: the same.)
   */
  readonly replicas?: readonly Secret[]
  /** A pooler in transaction mode, by which transactions reach the primary and, where said, each replica. */
  readonly pooler?: { readonly engine: 'pgbouncer'; readonly primary: Secret; readonly replicas?: readonly Secret[]; /** Connections that it opens to a server at most (`default_pool_size`), 20 unless told. */ readonly size?: number }
  /** Of each process: connections at most, for reads and for writes each, and how long one is waited for. */
  readonly pool: { readonly max: number; readonly waitMs: number }
  /** What a server takes (`max_connections`); 100 unless told, as Postgres itself has it. */
  readonly connections?: number
  /** A replica this far behind for a second is not read from until it has caught up; 500ms unless told. */
  readonly lagLimit?: Duration
  readonly shards?: { readonly [N in ShardedNames<A>]?: { readonly count: number; readonly databases: readonly Secret[] } }
}

/** Stages 2 to 7, as data; what of them this version cannot start, `topology` says. Without `workers` the web processes do their work too. */
export interface WiderTopology<A> extends Everywhere {
  readonly stage: 'split' | 'balanced' | 'cached' | 'elastic' | 'sharded' | 'global'
  /** 32 bytes or more, from which keys are derived, the same for every process. */
  readonly secret: Secret
  readonly balancer?: { readonly engine: 'haproxy'; readonly algorithm: 'round-robin' | 'least-connections' }
  readonly web?: { readonly processes: number | { readonly min: number; readonly max: number; readonly scaleOn: 'cpu' | 'latency' } }
  readonly workers?: { readonly processes: number | { readonly min: number; readonly max: number; readonly scaleOn: 'queueDepth' } }
  readonly data: DataTopology<A>
  /** What each process keeps on its disk; `.tenfold` unless told. */
  readonly directory?: string
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
