import { type Event, type EventDefinition, eventName } from '../app/index.ts'
import { failed } from '../base/index.ts'
import type { Statement } from '../data/index.ts'

/** A fact that a command stated, not yet committed. */
export interface Stated { readonly event: EventDefinition; readonly name: string; readonly payload: unknown }

/** Checks that the event is the module's own and its payload as declared. Errors: `definition`, `invalid`. */
export function state(event: Event<string, unknown>, payload: unknown, module: string): Stated {
  const definition = event as unknown as EventDefinition // the builder makes both faces as one object
  if (definition.module !== module) throw failed('definition', `${module} emits ${eventName(event)}, which is another module's: emit an event of its own.`)
  definition.validate(payload)
  return { event: definition, name: eventName(event), payload }
}

/** Writes them, in their order. Goes out with the command's COMMIT: after its row locks, so that order in the log is order of commit. */
export function emitStatement(events: readonly Stated[], bucket: number, nowMs: number, traceparent: string): Statement {
  return {
    name: 'tenfold_emit',
    text: `insert into tenfold.outbox (bucket, event, key, payload, at, traceparent, expires_at)
      select $1, e.event, e.key, e.payload, $6, $7, e.expires_at from unnest($2::text[], $3::text[], $4::jsonb[], $5::timestamptz[]) as e(event, key, payload, expires_at)`,
    values: [bucket, events.map(({ name }) => name), events.map(({ event, payload }) => event.orderedBy ? String((payload as Record<string, unknown>)[event.orderedBy]) : null),
      events.map(({ payload }) => JSON.stringify(payload)), events.map(({ event }) => new Date(nowMs + event.keepMs)), new Date(nowMs), traceparent],
  }
}
