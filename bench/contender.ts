/**
 * The inside of a contender: a process of its own that starts something, says that it is ready, and measures itself when asked to, or
 * is measured over HTTP. It ends with the channel to the process that started it, so nothing outlives a benchmark, however that ends.
 */
import type { Place } from './place.ts'

export interface Given {
  /** Scratch space of this contender alone. */
  readonly directory: string
  /** A Postgres for all, as its superuser. Undefined where the contenders of a bout need none, or where this one brings it. */
  readonly postgres: Place | undefined
  /** Takes OTLP over HTTP and throws it away. */
  readonly sink: string
  /** Whatever else the contender's own options say. */
  readonly options: Readonly<Record<string, string>>
}

export interface Contender {
  /** Told to whoever started it: such as a URL to ask. */
  readonly about?: Readonly<Record<string, unknown>>
  /** Works for about so many seconds, and answers the figure. */
  measure?(what: string, seconds: number): Promise<number>
  /** Before it ends. */
  close?(): Promise<void>
}

export type Request = { readonly id: number; readonly what: string; readonly seconds: number }
export type Answer = { readonly ready: Contender['about'] } | { readonly id: number; readonly figure: number } | { readonly failed: string }

export async function contend(start: (given: Given) => Promise<Contender>): Promise<void> {
  process.on('SIGINT', () => { /* Ctrl-C in a terminal reaches all: whoever started us ends us in its order */ })
  const tell = (answer: Answer) => process.send?.(answer)
  const told = (error: unknown) => tell({ failed: error instanceof Error ? error.stack ?? error.message : String(error) })
  try {
    const contender = await start(JSON.parse(process.argv[2] ?? '{}') as Given)
    process.on('disconnect', () => { void Promise.resolve(contender.close?.()).finally(() => process.exit()) })
    process.on('message', ({ id, what, seconds }: Request) => {
      contender.measure?.(what, seconds).then((figure) => tell({ id, figure }), told)
    })
    tell({ ready: contender.about })
  } catch (error) {
    told(error)
    process.disconnect?.()
  }
}

/** How often a second `work` is done, by so many at once, for so many seconds. */
export async function rate(seconds: number, atOnce: number, work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  let done = 0
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (performance.now() - began < seconds * 1000) {
      await work()
      done++
    }
  }))
  return done / ((performance.now() - began) / 1000)
}

/** Nanoseconds of one awaited `work` after the other. The clock is looked at once in a thousand. */
export async function nanoseconds(seconds: number, work: (round: number) => unknown): Promise<number> {
  const began = performance.now()
  let done = 0
  while (performance.now() - began < seconds * 1000) for (const until = done + 1000; done < until; done++) await work(done)
  return (performance.now() - began) * 1e6 / done
}
