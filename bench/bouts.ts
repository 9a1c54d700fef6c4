/** What is measured against what: the table of everything here. */
export interface Entrant {
  readonly script: string
  readonly options?: Readonly<Record<string, string>>
  /** For a server: the path that is asked. Without one it measures itself. */
  readonly path?: string
}

export interface Row {
  readonly name: string
  readonly ours?: string
  /** None: only a bar of its own. */
  readonly peer?: string
  /** How many times as good as the peer, at least. */
  readonly ratio?: number
  /** Or ours alone, at most, in the bout's unit. */
  readonly atMost?: number
}

/** Contenders that run interleaved, and the rows that are read off them. */
export interface Bout {
  readonly unit: string
  readonly better: 'more' | 'less'
  /** `own`: the first contender brings it, as `run` does; the others get a database of their own in it. */
  readonly postgres: 'own' | 'shared' | 'none'
  /** Who makes the load: wrk with GETs of products, by nobody in particular or by callers who send back what they were given; wrk with orders, or the contenders by themselves. */
  readonly load: 'products' | 'sessions' | 'orders' | 'self'
  /** What a contender that can measure several things is to measure. */
  readonly what?: string
  /** At least: what is to be told from its peer by a few in a hundred takes more than the usual three. */
  readonly rounds?: number
  /** Those that differ in their path only are one process. */
  readonly entrants: Readonly<Record<string, Entrant>>
  readonly rows: readonly Row[]
}

const mix = (replicas: string): Entrant => ({ script: 'ours/mix.ts', options: { replicas } })
const clients = (through: string): Entrant => ({ script: 'ours/clients.ts', options: { through } })
const web: Entrant = { script: 'ours/web.ts', path: '/products' }
const bare = (answer: string): Entrant => ({ script: 'peers/bare-fastify.ts', path: '/products', options: { answer } })
const cached = (library: string): Entrant => ({ script: 'peers/cache.ts', options: { library } })
const linters: Bout['entrants'] = { ours: { script: 'ours/linter.ts' }, squawk: { script: 'peers/squawk.ts' } }
const linter = (name: string, what: string): Bout => ({ unit: '%', better: 'more', postgres: 'shared', load: 'self', what, entrants: linters, rows: [{ name: `${name} vs squawk`, peer: 'squawk', ratio: 1 }] })
const queues: Bout['entrants'] = { ours: { script: 'ours/jobs.ts' }, platform: { script: 'ours/platform-jobs.ts' }, 'graphile-worker': { script: 'peers/graphile-worker.ts' }, 'pg-boss': { script: 'peers/pg-boss.ts' } }
const queue = (name: string, what: string, bar: Pick<Row, 'ratio' | 'atMost'>, unit = 'jobs/s', better: Bout['better'] = 'more'): Bout => ({
  unit, better, postgres: 'shared', load: 'self', what, entrants: queues, rows: [...['graphile-worker', 'pg-boss'].map((peer): Row => ({ name: `${name} vs ${peer}`, peer, ...bar })), { name: `${name}, in the whole platform, vs graphile-worker`, ours: 'platform', peer: 'graphile-worker' }],
})

export const bouts: readonly Bout[] = [
  {
    unit: 'req/s', better: 'more', postgres: 'own', load: 'products',
    entrants: { ours: web, usual: { script: 'peers/usual-fastify.ts', path: '/products' }, bare: bare('asked'), named: bare('named') },
    rows: [
      { name: 'product-from-postgres vs usual fastify', peer: 'usual', ratio: 2.5 },
      { name: 'product-from-postgres vs bare fastify', peer: 'bare', ratio: 1.5 },
      { name: 'product-from-postgres vs bare fastify, named statements', peer: 'named' },
    ],
  },
  {
    unit: 'req/s', better: 'more', postgres: 'own', load: 'products',
    entrants: { ours: { ...web, path: '/known-products' }, constant: bare('constant') },
    rows: [{ name: 'product-from-cache vs constant', peer: 'constant', ratio: 0.6 }],
  },
  {
    unit: 'req/s', better: 'more', postgres: 'own', load: 'products', rounds: 9,
    entrants: { ours: web, off: { ...web, options: { observe: 'off' } } },
    rows: [{ name: 'observability on vs off', peer: 'off', ratio: 0.85 }],
  },
  {
    unit: 'tx/s', better: 'more', postgres: 'shared', load: 'self',
    entrants: { ours: { script: 'ours/order.ts' }, plain: { script: 'peers/order.ts' }, named: { script: 'peers/order.ts', options: { named: 'yes' } } },
    rows: [{ name: 'order command vs pooled transaction', peer: 'plain', ratio: 1.5 }, { name: 'order command vs pooled transaction, named statements', peer: 'named' }],
  },
  {
    unit: 'orders/s', better: 'more', postgres: 'own', load: 'orders',
    entrants: { ours: { script: 'ours/shop.ts', path: '/v1/orders' }, hand: { script: 'peers/shop.ts', path: '/v1/orders' } },
    rows: [{ name: 'POST /orders vs hand-written fastify', peer: 'hand' }],
  },
  {
    unit: 'ns', better: 'less', postgres: 'none', load: 'self',
    entrants: { ours: { script: 'ours/cache.ts' }, hand: cached('hand'), bentocache: cached('bentocache'), cacheable: cached('cacheable') },
    rows: [
      { name: 'cached read in process vs lru-cache with single flight', peer: 'hand', ratio: 0.333 },
      { name: 'cached read in process vs bentocache', peer: 'bentocache', ratio: 5 },
      { name: 'cached read in process vs cacheable', peer: 'cacheable', ratio: 5 },
    ],
  },
  queue('jobs processed', 'processed', { ratio: 1.5 }),
  queue('jobs enqueued one per transaction', 'enqueued', { ratio: 3 }),
  queue('start latency', 'latency', { atMost: 5 }, 'ms', 'less'),
  {
    unit: 'req/s', better: 'more', postgres: 'none', load: 'sessions', rounds: 21,
    entrants: { ours: { script: 'ours/replicated-web.ts', path: '/products' }, eventual: { script: 'ours/replicated-web.ts', path: '/eventual-products' } },
    rows: [{ name: 'own writes seen vs any copy', peer: 'eventual', ratio: 0.95 }],
  },
  { unit: 'calls/s', better: 'more', postgres: 'none', load: 'self', what: 'mix', entrants: { ours: mix('2'), alone: mix('0') }, rows: [{ name: 'read-heavy mix (20:1), two replicas vs primary alone', peer: 'alone' }] },
  { unit: '% of reads', better: 'more', postgres: 'none', load: 'self', what: 'share', entrants: { ours: mix('2') }, rows: [{ name: 'reads that replicas serve in that mix' }] },
  { unit: 'reads/s', better: 'more', postgres: 'none', load: 'self', entrants: { ours: clients('pooler'), direct: clients('direct') }, rows: [{ name: '1,000 client connections, pooler vs direct', peer: 'direct' }] },
  { unit: 'µs', better: 'less', postgres: 'shared', load: 'self', entrants: { ours: { script: 'ours/token.ts' } }, rows: [{ name: 'verified token seen again', atMost: 1 }] },
  linter('migrations told right, safe from dangerous,', 'right'),
  linter('dangerous migrations found', 'found'),
]
