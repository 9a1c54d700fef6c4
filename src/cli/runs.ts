import { failed } from '../base/index.ts'
import type { Database } from '../data/index.ts'
import { discardDead, discardRun, listDead, listRuns, retryDead, retryRun, showDead, showRun } from '../jobs/index.ts'
import { attach, type Attached } from '../runtime/index.ts'
import type { Command, Given } from './command.ts'
import { columns } from './table.ts'

const shownMax = 200
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const options = { json: { type: 'boolean' }, limit: { type: 'string' } } as const
const positionals = ['VERB?', 'ID?'] as const

export const runsCommand: Command = {
  help: `tenfold runs                 what has not ended: jobs that wait, and actions under way or left unfinished
tenfold runs show ID         one of them, whole, with what its steps answered
tenfold runs retry ID        due now, whatever its next time was
tenfold runs discard ID      a job that waits is forgotten; an action is given up, and undone

--limit N (20; ${shownMax} at most), --json. It may be used beside the application.
`,
  onWhatIsUp: true,
  options, positionals,
  run: ({ app, topology }, given) => onData(app, topology, given, {
    list: (attached, limit, database) => listRuns(attached.data, database, limit),
    columns: ['ID', 'NAME', 'STATE', 'TRIES', 'DUE', 'LAST ERROR'],
    row: (run) => [text(run['id']), text(run['name']), text(run['state']), text(run['tries']), text(run['dueAt']), text(run['lastError'])],
    show: ({ data }, database, id) => showRun(data, database, id),
    retry: async ({ data, clock }, database, id) => await retryRun(data, database, id, clock.now()) ? `${id} is due now` : undefined,
    async discard({ data, clock }, database, id) {
      const outcome = await discardRun(data, database, id, clock.now())
      return outcome && (outcome === 'forgotten' ? `${id} is forgotten` : `${id} is given up, and undone when a worker next looks`)
    },
    none: 'nothing is under way', refused: 'is at work, or has ended',
  }),
}

export const deadCommand: Command = {
  help: `tenfold dead                 what gave up: jobs, actions and events, the latest first, each with its reason
tenfold dead show ID         one of them, whole
tenfold dead retry ID        alive again, with all of its tries before it
tenfold dead discard ID      forgotten

--limit N (20; ${shownMax} at most), --json. It may be used beside the application.
`,
  onWhatIsUp: true,
  options, positionals,
  run: ({ app, topology }, given) => onData(app, topology, given, {
    list: (attached, limit, database) => listDead(attached.data, database, limit),
    columns: ['ID', 'KIND', 'NAME', 'TRIES', 'DIED', 'REASON'],
    row: (letter) => [text(letter['id']), text(letter['kind']), text(letter['name']), text(letter['tries']), text(letter['diedAt']), text(letter['reason'])],
    show: ({ data }, database, id) => showDead(data, database, id),
    retry: async ({ data, clock }, database, id) => await retryDead(data, database, id, clock.now()) ? `${id} is alive again` : undefined,
    discard: async ({ data }, database, id) => await discardDead(data, database, id) ? `${id} is forgotten` : undefined,
    none: 'nothing is dead', refused: 'is an event that is no longer kept',
  }),
}

interface Kind {
  list(attached: Attached, limit: number, database: Database): Promise<Record<string, unknown>[]>
  readonly columns: readonly string[]
  row(item: Record<string, unknown>): string[]
  show(attached: Attached, database: Database, id: string): Promise<object | undefined>
  /** Answers what was done; undefined when it could not be. */
  retry(attached: Attached, database: Database, id: string): Promise<string | undefined>
  discard(attached: Attached, database: Database, id: string): Promise<string | undefined>
  readonly none: string
  /** Why something that is there could not be retried or discarded. */
  readonly refused: string
}

async function onData(app: Parameters<typeof attach>[0], topology: Parameters<typeof attach>[1], { values, positionals: [verb = 'list', id] }: Given, kind: Kind): Promise<number> {
  const limit = limitOf(values['limit'])
  if (!['list', 'show', 'retry', 'discard'].includes(verb)) throw failed('usage', `There is no ${JSON.stringify(verb)} here: use show, retry or discard with an id, or nothing for the list.`)
  if (verb !== 'list' && !uuid.test(id ?? '')) throw failed('usage', id === undefined ? `${verb} needs an id: the list shows them.` : `${JSON.stringify(id)} is no id: the list shows them.`)
  const attached = await attach(app, topology)
  try {
    if (verb === 'list') return await list(attached, kind, limit, values['json'] === true)
    for (const database of attached.data.databases) {
      const found = await kind.show(attached, database, id as string)
      if (!found) continue
      const said = verb === 'show' ? JSON.stringify(found, null, 2) : await kind[verb as 'retry' | 'discard'](attached, database, id as string)
      if (said === undefined) throw failed('usage', `${id} ${kind.refused}.`)
      process.stdout.write(`${said}\n`)
      return 0
    }
    throw failed('usage', `There is no ${id}: the list shows what there is.`)
  } finally {
    await attached.close()
  }
}

async function list(attached: Attached, kind: Kind, limit: number, json: boolean): Promise<number> {
  const found = (await Promise.all(attached.data.databases.map((database) => kind.list(attached, limit, database)))).flat().slice(0, limit)
  if (json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
  else process.stdout.write(found.length === 0 ? `${kind.none}\n` : columns([kind.columns, ...found.map(kind.row)]))
  return 0
}

function limitOf(value: string | boolean | undefined): number {
  if (value === undefined) return 20
  const limit = Number(value)
  if (!Number.isInteger(limit) || limit < 1 || limit > shownMax) throw failed('usage', `--limit is ${JSON.stringify(value)}: use a whole number from 1 to ${shownMax}.`)
  return limit
}

/** One line, and not a long one: the rest is for `show`. */
function text(value: unknown): string {
  return value === null || value === undefined ? '' : String(value).replaceAll(/\s+/g, ' ').replace(/(\d\d:\d\d:\d\d)\.\d+Z$/, '$1Z').slice(0, 120)
}
