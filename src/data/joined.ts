import { afterTick } from '../base/index.ts'

/** Joins all that ask within one tick into one question, asked after every one of them. */
export function joined<T>(ask: () => Promise<T>): () => Promise<T> {
  let next: Promise<T> | undefined
  return () => next ??= new Promise<void>(afterTick).then(() => { next = undefined; return ask() })
}
