import type { SubscriberDefinition } from '../app/index.ts'
import { backoffMs, type Clock, Crash, digestId, isOutage, type Random, reasonOf } from '../base/index.ts'
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
  /** The hostile stage: the process "dies" here, sometimes, and what it had delivered is delivered again. */
  readonly mayCrash?: ((where: string) => void) | undefined
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
  let position = place.position
  try {
    const events = await readEvents(data, database, place.position, head, [...subscriber.handlers.keys()], batchSize)
    await takeAll(options, database, subscriber, place, events)
    options.mayCrash?.(`before the position of ${subscriber.name} moves`)
    const full = events.length === batchSize
    position = full ? events.at(-1)?.seq ?? head : head
    return full
  } catch (error) {
    if (error instanceof Crash) return true
    throw error
  } finally {
    await advance(data, database, place, position)
  }
}

/** Keys beside each other, each in its order. An outage ends it: nothing is parked for what is not the event's fault. */
async function takeAll(options: RelayOptions, database: Database, subscriber: SubscriberDefinition, place: Place, events: readonly LoggedEvent[]): Promise<void> {
  const parked = await parkedKeys(options.data, database, subscriber.name)
  const lanes = [...Map.groupBy(events, keyOf).values()]
  const outages: unknown[] = []
  const worker = async () => {
    for (let lane = lanes.shift(); lane; lane = lanes.shift()) {
      for (const event of lane) {
        if (outages.length > 0) return
        await take(options, database, subscriber, place, event, parked).catch((error: unknown) => { outages.push(error) })
      }
    }
  }
  await Promise.all(Array.from({ length: keysAtOnce }, worker))
  if (outages.length > 0) throw outages[0]
}

/** Errors: an outage, and whatever keeps the event from being parked. */
async function take(options: RelayOptions, database: Database, subscriber: SubscriberDefinition, place: Place, event: LoggedEvent, parked: Set<string>): Promise<void> {
  const { data, clock, random } = options
  const key = keyOf(event)
  if (parked.has(key)) return park(data, database, subscriber.name, event, 0, clock.now(), null)
  try {
    await options.deliver(subscriber, event, eventId(database, event.seq), place.generation)
    delivered(options, subscriber, event)
  } catch (error) {
    if (isOutage(error)) throw error
    parked.add(key)
    options.logs.warn('a subscriber failed on an event: its key is parked', { subscriber: subscriber.name, event: event.event, seq: event.seq, key, reason: reasonOf(error) })
    await park(data, database, subscriber.name, event, 1, clock.now() + backoffMs(random, 1, 1_000, 600_000), reasonOf(error))
  }
}

async function retryParked(options: RelayOptions, database: Database, subscriber: SubscriberDefinition): Promise<boolean> {
  const { data, clock } = options
  const due = await dueParked(data, database, subscriber.name, clock.now())
  if (due.length === 0) return false
  const events = new Map((await readEventsAt(data, database, due.map(({ seq }) => seq))).map((event) => [event.seq, event]))
  const place = await lease(data, database, subscriber.name, clock.now())
  if (!place) return false
  let progress = false
  try {
    for (const { seq, tries } of due) {
      const event = events.get(seq)
      if (!event) await unpark(data, database, subscriber.name, seq)
      else progress = await retake(options, database, subscriber, place, event, tries + 1) || progress
    }
  } finally {
    await advance(data, database, place, place.position)
  }
  return progress
}

/** Answers whether it is out of the way now: taken, or given up. */
async function retake(options: RelayOptions, database: Database, subscriber: SubscriberDefinition, place: Place, event: LoggedEvent, tries: number): Promise<boolean> {
  const { data, clock, random, logs } = options
  const id = eventId(database, event.seq)
  try {
    await options.deliver(subscriber, event, id, place.generation)
    await unpark(data, database, subscriber.name, event.seq)
    delivered(options, subscriber, event)
    return true
  } catch (error) {
    if (isOutage(error)) throw error
    if (tries < triesMax) {
      await park(data, database, subscriber.name, event, tries, clock.now() + backoffMs(random, tries, 1_000, 600_000), reasonOf(error))
      return false
    }
    logs.error('a subscriber gave up on an event: it is a dead letter', { subscriber: subscriber.name, event: event.event, seq: event.seq, reason: reasonOf(error) })
    await bury(data, database, subscriber.name, event, digestId(`${subscriber.name} ${id}`), tries, reasonOf(error), clock.now())
    return true
  }
}

function delivered(options: RelayOptions, subscriber: SubscriberDefinition, event: LoggedEvent): void {
  options.metrics.histogram('messaging_process_duration_seconds', 'From an event to the end of its handling', { messaging_destination_name: subscriber.name })
    .observe(Math.max(0, options.clock.now() - Date.parse(event.at)) / 1000)
}

function eventId(database: Database, seq: number): string { return digestId(`event ${database.name} ${seq}`) }
