/**
 * Promises 1, 2 and 9 at every stage that stands, by one body: sessions wander between processes, while replicas are held back and
 * whatever runs is killed and frozen. What they saw is then checked (history.ts).
 */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import pg from 'pg'
import { signalProcess, waitFor } from '../../src/base/process.ts'
import { clusterName } from '../../src/ops/rig/leftover.ts'
import { postmasterOf, processesOf } from '../process/processes.ts'
import { chance } from '../process/seed.ts'
import { command, dataDirectory, freePorts, until } from '../process/shop.ts'
import { lacks } from '../support/engines.ts'
import { brokenPromises, type Entry } from './history.ts'
import { type Places, session } from './session.ts'
import { type Stage, startStage } from './stage.ts'

const options = { config: join(import.meta.dirname, 'registers/tenfold.config.ts') }
const ids = ['a', 'b', 'c'] as const
const sessions = 6
/** A fault comes when so many more answers were given. */
const answersBetween = 120
const lacking = await lacks('pgbouncer')

interface Fault { readonly name: string; strike(): Promise<void>; /** What does not heal by itself. */ heal?(): Promise<void>; /** A replica that is then not read from, and is again once it has healed: its number. */ readonly out?: number }
interface Running { readonly places: () => Places; readonly faults: readonly Fault[]; readonly metrics?: () => Promise<string> }

async function single(directory: string): Promise<Running> {
  let process = await command(directory, ['start'], options)
  const { ports, urls } = process
  const isReady = () => until('the process is ready', () => /^ready /m.test(process.stdout()))
  await isReady()
  return {
    places: () => [urls.web],
    faults: [
      { name: 'Postgres killed', strike: async () => { signalProcess(await postmasterOf(directory), 'SIGKILL') } },
      { name: 'the process killed', async strike() { signalProcess(process.pid, 'SIGKILL'); await process.ended; process = await command(directory, ['start'], { ...options, ports }); await isReady() } },
    ],
  }
}

/** The rig's own process, and a second beside it. */
async function rigged(directory: string, number: 2 | 4, below: (count: number) => number): Promise<Running> {
  const stage = await startStage(directory, number, undefined, options)
  const ports = await freePorts()
  const second = join(directory, 'second.json')
  await writeFile(second, JSON.stringify({ ...JSON.parse(await readFile(join(directory, 'rig/topology.json'), 'utf8')) as object, ports }))
  const other = await command(directory, ['--topology', second, 'start'], { ...options, ports })
  await until('the second process is ready', () => /^ready /m.test(other.stdout()))
  const killed = (name: string): Fault => ({ name: `${name} killed`, async strike() { signalProcess((await stage.ps()).find((one) => one.name === name)?.pid ?? 0, 'SIGKILL') } })
  const replicas = number === 4 ? [held(directory, stage, 'replica-1', below), frozen(directory, 'replica-2'), held(directory, stage, 'replica-2', below), killed('replica-1'), frozen(directory, 'replica-1')] : []
  const metrics = () => fetch(`${stage.urls.ops}/metrics`).then((answer) => answer.text(), () => '')
  return { places: () => [stage.urls.web, other.urls.web], faults: [...replicas, killed('application'), killed('pooler'), killed('primary')], metrics }
}

/** Its replay is held back by up to 5 s. */
function held(directory: string, stage: Stage, name: string, below: (count: number) => number): Fault {
  const set = async (ms: number) => {
    const [host, port] = ((await stage.ps()).find((one) => one.name === name)?.address ?? '').split(':')
    const client = new pg.Client({ host, port: Number(port), user: 'postgres', password: (await readFile(join(directory, 'postgres/password'), 'utf8')).trim(), database: 'postgres' })
    client.on('error', () => { /* told by the query that fails */ })
    await client.connect()
    await client.query(`alter system set recovery_min_apply_delay = '${ms}ms'`)
    await client.query('select pg_reload_conf()')
    await client.end()
  }
  return { name: `${name} held back`, strike: () => set(2_000 + below(3_000)), heal: () => set(0), out: Number(name.at(-1)) }
}

/** All of its processes: Postgres is many. */
function frozen(directory: string, name: string): Fault {
  const all = async (signal: NodeJS.Signals) => {
    const mark = clusterName(join(directory, 'rig', name, 'postgres/cluster'))
    for (const { pid } of (await processesOf(directory)).filter(({ line }) => line.includes(mark))) signalProcess(pid, signal)
  }
  return { name: `${name} frozen`, strike: () => all('SIGSTOP'), heal: () => all('SIGCONT'), out: Number(name.at(-1)) }
}

async function promisesHold(context: TestContext, start: (directory: string, below: (count: number) => number) => Promise<Running>): Promise<void> {
  const { below, pick } = chance(context)
  const directory = await dataDirectory(context)
  const { places, faults, metrics } = await start(directory, below)
  const isOut = async (number: number, is: boolean) => (await metrics?.() ?? '').includes(`replica="registers replica ${number}"} ${is ? 0 : 1}\n`)
  const history: Entry[] = []
  let isOver = false
  const wandering = Promise.all(Array.from({ length: sessions }, (_, number) => session({ number, history, pick, ids, places, isOver: () => isOver })))
  for (const fault of faults) {
    const from = history.length
    await until(`answers before ${fault.name}`, () => history.length >= from + answersBetween, 40_000)
    await fault.strike()
    await until(`answers after ${fault.name}`, () => history.length >= from + 2 * answersBetween, 40_000)
    if (fault.out) await until(`${fault.name} is seen`, () => isOut(fault.out ?? 0, true))
    await fault.heal?.()
    if (fault.out) await until(`${fault.name} is over`, () => isOut(fault.out ?? 0, false))
  }
  isOver = true
  const counts = await wandering
  const final = Object.fromEntries(await Promise.all(ids.map(async (id) => [id, await standing(places()[0] ?? '', id)] as const)))
  const [answered, refused] = [counts.reduce((sum, one) => sum + one.answered, 0), counts.reduce((sum, one) => sum + one.refused, 0)]
  context.diagnostic(`${answered} answers, ${refused} refused; ${faults.map(({ name }) => name).join(', ')}`)
  const reads = [...(await metrics?.() ?? '').matchAll(/tenfold_replica_reads_total\{.*reason="([^"]+)"\} (\d+)/g)].map(([, reason, count]) => `${reason} ${count}`)
  if (reads.length > 0) context.diagnostic(`reads of the rig's process since its last start: ${reads.join(', ')}`)
  assert.deepEqual(brokenPromises(history, final), [])
}

/** What the primary says, as soon as it says anything: what was killed last may only just be coming back. */
async function standing(place: string, id: string): Promise<{ left: number; right: number }> {
  const said = await waitFor(() => fetch(`${place}/v1/registers/${id}/now`).then((answer) => answer.ok ? answer.json() as Promise<{ left: number; right: number }> : undefined, () => undefined), { timeoutMs: 30_000, everyMs: 20 })
  if (!said) throw new Error(`The primary did not say where ${id} stands.`)
  return said
}

test('promises 1, 2 and 9 hold at stage 1', { timeout: 110_000 }, (context) => promisesHold(context, single))
test('promises 1, 2 and 9 hold at stage 2', { timeout: 110_000, skip: lacking }, (context) => promisesHold(context, (directory, below) => rigged(directory, 2, below)))
test('promises 1, 2 and 9 hold at stage 4', { timeout: 110_000, skip: lacking }, (context) => promisesHold(context, (directory, below) => rigged(directory, 4, below)))
