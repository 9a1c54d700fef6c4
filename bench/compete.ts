/** Runs a bout: its contenders beside each other, round by round, after a warm-up. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { startPostgres } from '../src/ops/rig/postgres.ts'
import { runningPostgres } from '../src/ops/rig/running.ts'
import { openDataDirectory } from '../src/runtime/data-directory.ts'
import type pg from 'pg'
import type { Bout, Entrant } from './bouts.ts'
import { type Place, product, seed, withClient } from './place.ts'
import { type Started, startContender } from './processes.ts'
import { load, orderScript, productScript, sessionScript } from './wrk.ts'

export interface Options {
  readonly rounds: number
  readonly seconds: number
  /** Empty, and thrown away after all. */
  readonly scratch: string
  readonly sink: string
  readonly profileTo: string | undefined
  readonly say: (text: string) => void
}

/** A contender at work: asked for its figure, as often as there are rounds. */
export interface Running { readonly started: Started; measure(seconds: number): Promise<number> }

const warmUpSeconds = 2
/** How long the work that follows a round may go on before the next begins all the same. */
const quietMs = 60_000
const settings = { shared_buffers: '256MB' }
let boutsSoFar = 0

/** By contender: its figure in each round. */
export async function compete(bout: Bout, names: readonly string[], options: Options): Promise<Map<string, number[]>> {
  const figures = new Map<string, number[]>(names.map((name) => [name, []]))
  await withContenders(bout, names, options, async (running) => {
    for (const [name, one] of running) {
      options.say(`warming up ${name}`)
      await one.measure(Math.min(warmUpSeconds, options.seconds))
    }
    const rounds = Math.max(options.rounds, bout.rounds ?? 0)
    for (let round = 0; round < rounds; round++) {
      // Each goes first in turn: what a round leaves behind is not always the same one's to find.
      const turn = [...running.slice(round % running.length), ...running.slice(0, round % running.length)]
      for (const [name, one] of turn) {
        const figure = await one.measure(options.seconds)
        options.say(`round ${round + 1} of ${rounds}   ${name.padEnd(16)} ${figure.toFixed(figure < 100 ? 2 : 0)} ${bout.unit}`)
        figures.get(name)?.push(figure)
      }
    }
  })
  return figures
}

/** Starts them, with a Postgres where they need one, and ends all. */
export async function withContenders(bout: Bout, names: readonly string[], options: Options, work: (running: [string, Running][]) => Promise<void>): Promise<void> {
  const directory = join(options.scratch, `bout-${boutsSoFar++}`)
  const started: [string, Running][] = []
  const server = bout.postgres === 'shared' ? await startPostgres({ directory: join(directory, 'postgres'), settings }) : undefined
  let postgres: Place | undefined = server && { ...server, database: 'postgres' }
  try {
    for (const name of names) {
      const entrant = bout.entrants[name] as Entrant
      const own = join(directory, name)
      mkdirSync(own, { recursive: true })
      if (bout.postgres === 'own' && entrant.script.startsWith('ours/')) await enlarge(join(own, 'data'))
      const one = twinOf(bout, entrant, started) ?? await startContender(name, entrant.script, { directory: own, postgres, sink: options.sink, options: { ...entrant.options, ...shared(started) } }, name === 'ours' && options.profileTo !== undefined ? join(options.profileTo, (bout.rows[0]?.name ?? '').replaceAll(/\W+/g, '-')) : undefined)
      const data = one.about['data'] as string | undefined
      let home: Place | undefined
      if (data !== undefined) {
        const address = await runningPostgres(join(data, 'postgres'))
        if (!address) throw new Error(`The Postgres of ${name} does not run in ${data}.`)
        postgres ??= { ...address, database: 'postgres' }
        home = { ...address, database: bout.load === 'orders' ? 'shop' : 'bench' }
        await seed(home, 'catalogue.products')
      }
      if (bout.load === 'products' || bout.load === 'sessions') await assertAnswers(name, `${String(one.about['url'])}${entrant.path}`)
      started.push([name, { started: one, measure: measureOf(bout, entrant, one, own, home) }])
    }
    await work(started)
  } finally {
    // The one that brought the Postgres goes last.
    for (const one of new Set(started.map(([, running]) => running.started).toReversed())) await one.stop()
    await server?.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Another entrant that is the same but for its path: two processes of one program differ by more than some paths do. */
function twinOf({ entrants }: Bout, { script, options }: Entrant, started: readonly [string, Running][]): Started | undefined {
  return started.find(([name]) => entrants[name]?.script === script && isDeepStrictEqual(entrants[name]?.options, options))?.[1].started
}

/** A figure counts only for the right answer. */
async function assertAnswers(name: string, url: string): Promise<void> {
  const asked = product(1)
  const answer: unknown = await (await fetch(`${url}/${asked.id}`)).json()
  if (!isDeepStrictEqual(answer, asked)) throw new Error(`${name} answers ${JSON.stringify(answer)}, which is not the product that was asked for.`)
}

/** What the first contender found that the others must use too: the same gateway. */
function shared(started: readonly [string, Running][]): Record<string, string> {
  const gateway = started[0]?.[1].started.about['gateway']
  return typeof gateway === 'string' ? { gateway } : {}
}

/** `run` has no word for Postgres' memory; what ALTER SYSTEM says is there at its next start. */
async function enlarge(data: string): Promise<void> {
  const directory = await openDataDirectory(data)
  const server = await startPostgres({ directory: directory.file('postgres') })
  await withClient({ ...server, database: 'postgres' }, (client) => client.query(`alter system set shared_buffers = '${settings.shared_buffers}'`))
  await server.stop()
  await directory.release()
}

function measureOf(bout: Bout, { path = '' }: Entrant, started: Started, directory: string, home: Place | undefined): Running['measure'] {
  if (bout.load === 'self') return (seconds) => started.measure(bout.what ?? '', seconds)
  const url = String(started.about['url'])
  if (bout.load === 'products' || bout.load === 'sessions') { const script = (bout.load === 'products' ? productScript : sessionScript)(directory, path); return (seconds) => load(url, script, seconds) }
  const script = orderScript(directory, path, started.about['tokens'] as string[])
  return async (seconds) => {
    const figure = await load(url, script, seconds)
    if (home) await untilQuiet(home)
    return figure
  }
}

/** An order's receipt and mail follow it: what is left of one's own is not to burden the next one's round. */
async function untilQuiet(home: Place): Promise<void> {
  const left = (client: pg.Client) => client.query<{ left: number }>(`select (select count(*) from tenfold.runs where kind = 'job')::int + (select count(*) from tenfold.outbox where seq is null)::int as left`)
  await withClient(home, async (client) => {
    for (const until = performance.now() + quietMs; performance.now() < until;) {
      await new Promise((resolve) => { setTimeout(resolve, 500) })
      if ((await left(client)).rows[0]?.left === 0) return
    }
  })
}
