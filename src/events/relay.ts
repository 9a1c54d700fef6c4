import type { SubscriberDefinition } from '../app/index.ts'
import { backoffMs, type Clock, digestId, type Random } from '../base/index.ts'
import type { Data, Database } from '../data/index.ts'
import type { Logs, Metrics } from '../observe/index.ts'
import { headOf, type LoggedEvent, numberEvents, readEvents, readEventsAt } from './log.ts'
import { bury, dueParked, keyOf, park, parkedKeys, unpark } from './parked.ts'
import { advance, lease, type Place, positions } from './subscribers.ts'

/**
 * From commit to subscriber, the map of the events' way:
 *   numberEvents   what has committed gets its number
 *   lease          one process at a time serves a subscriber
 *   readEvents     what lies behind its position
 *   deliver        in the order of each key, keys beside each other; the effect happens once, by its record
 *   park           what fails waits with its key, and nothing else does
 *   advance        the position moves; a process that died before this is repeated, without effect
 */
export interface RelayOptions {
  readonly data: Data; readonly clock: Clock; readonly random: Random; readonly logs: Logs; readonly metrics: Metrics
  readonly subscribers: readonly SubscriberDefinition[]
  /** Runs the subscriber's handler, exactly once for each id in effect. */
  deliver(subscriber: SubscriberDefinition, event: LoggedEvent, id: string, generation: number): Promise<void>
}

const batchSize = 200
const keysAtOnce = 8
const triesMax = 10

/** One pass over one database; answers whether there is more. Safe to run anywhere, any number of times. */
export async function relay(options: RelayOptions, database: Database): Promise<boolean> {
  const { data } = options
  const numbered = await numberEvents(data, database)
  const head = await headOf(data, database)
  const known = await positions(data, database)
  const more = await Promise.all(options.subscribers.map(async (subscriber) => {
    const retried = await retryParked(options, database, subscriber)
    return (known.get(subscriber.name) ?? 0) < head ? await serve(options, database, subscriber, head) || retried : retried
  }))
  return numbered > 0 || more.some(Boolean)
}

/** Whether anything is still on its way to a subscriber, parked or not. */
export async function isIdle(options: Pick<RelayOptions, 'data' | 'subscribers'>, database: Database): Promise<boolean> {
  const [row] = await options.data.execute<{ busy: boolean }>(database, {
    text: `select exists (select from tenfold.outbox where seq is null)
      or exists (select from tenfold.subscribers s where name = any($1) and position < (select coalesce(max(seq), 0) from tenfold.outbox)) as busy`,
    values: [options.subscribers.map(({ name }) => name)],
  })
  return row?.busy === false
}

async function serve(options: RelayOptions, database: Database, subscriber: SubscriberDefinition, head: number): Promise<boolean> {
  const { data, clock } = options
  const place = await lease(data, database, subscriber.name, clock.now())
  if (!place) return false
  const events = await readEvents(data, database, place.position, head, [...subscriber.handlers.keys()], batchSize)
  const parked = await parkedKeys(data, database, subscriber.name)
  const lanes = Map.groupBy(events, keyOf)
  const queue = [...lanes.values()]
  const worker = async () => {
    for (let lane = queue.shift(); lane; lane = queue.shift()) {
      for (const event of lane) await take(options, database, subscriber, place, event, parked)
    }
  }
  await Promise.all(Array.from({ length: keysAtOnce }, worker))
  const full = events.length === batchSize
  await advance(data, database, place, full ? events.at(-1)?.seq ?? head : head)
  return full
}

async function take(options: RelayOptions, database: Database, subscriber: SubscriberDefinition, place: Place, event: LoggedEvent, parked: Set<string>): Promise<void> {
  const { data, clock, random } = options
  const key = keyOf(event)
  if (parked.has(key)) return park(data, database, subscriber.name, event, 0, clock.now(), null)
  try {
    await options.deliver(subscriber, event, eventId(database, event.seq), place.generation)
    delivered(options, subscriber, event)
  } catch (error) {
    parked.add(key)
    options.logs.warn('a subscriber failed on an event: its key is parked', { subscriber: subscriber.name, event: event.event, seq: event.seq, key, reason: reasonOf(error) })
    await park(data, database, subscriber.name, event, 1, clock.now() + backoffMs(random, 1, 1_000, 600_000), reasonOf(error))
  }
}

async function retryParked(options: RelayOptions, database: Database, subscriber: SubscriberDefinition): Promise<boolean> {
  const { data, clock, random, logs } = options
  const due = await dueParked(data, database, subscriber.name, clock.now())
  if (due.length === 0) return false
  const events = new Map((await readEventsAt(data, database, due.map(({ seq }) => seq))).map((event) => [event.seq, event]))
  const place = await lease(data, database, subscriber.name, clock.now())
  if (!place) return false
  let progress = false
  for (const { seq, tries } of due) {
    const event = events.get(seq)
    if (!event) { await unpark(data, database, subscriber.name, seq); continue }
    try {
      await options.deliver(subscriber, event, eventId(database, seq), place.generation)
      await unpark(data, database, subscriber.name, seq)
      delivered(options, subscriber, event)
      progress = true
    } catch (error) {
      if (tries + 1 >= triesMax) {
        logs.error('a subscriber gave up on an event: it is a dead letter', { subscriber: subscriber.name, event: event.event, seq, reason: reasonOf(error) })
        await bury(data, database, subscriber.name, event, digestId(`${subscriber.name} ${eventId(database, seq)}`), tries + 1, reasonOf(error), clock.now())
        progress = true
      } else await park(data, database, subscriber.name, event, tries + 1, clock.now() + backoffMs(random, tries + 1, 1_000, 600_000), reasonOf(error))
    }
  }
  await advance(data, database, place, place.position)
  return progress
}

function delivered(options: RelayOptions, subscriber: SubscriberDefinition, event: LoggedEvent): void {
  options.metrics.histogram('messaging_process_duration_seconds', 'From an event to the end of its handling', { messaging_destination_name: subscriber.name })
    .observe(Math.max(0, options.clock.now() - Date.parse(event.at)) / 1000)
}

function eventId(database: Database, seq: number): string { return digestId(`event ${database.name} ${seq}`) }
function reasonOf(error: unknown): string { return error instanceof Error ? error.message : String(error) }
