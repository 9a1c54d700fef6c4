import { Crash, type Random } from '../base/index.ts'

/**
 * The hostile stage: one machine made to behave like many on a bad day. Every call across modules is serialised, every step, job
 * and event runs twice, and the process "dies" between any two steps (the driver of a run then takes it up as another would).
 */
export interface Hostility {
  /** Dies here, sometimes. Only where something durable will take up the work. */
  mayCrash(where: string): void
  /** Counts of what was done to the application, by place. */
  readonly inflicted: ReadonlyMap<string, number>
  note(where: string): void
}

export function createHostility(random: Random, crashShare = 0.2): Hostility {
  const inflicted = new Map<string, number>()
  const note = (where: string) => { inflicted.set(where, (inflicted.get(where) ?? 0) + 1) }
  return {
    inflicted, note,
    mayCrash(where) {
      if (random.float() >= crashShare) return
      note(`crash ${where}`)
      throw new Crash(where)
    },
  }
}
