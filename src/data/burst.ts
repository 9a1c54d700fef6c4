import type pg from 'pg'

/**
 * Holds back what is sent on a connection until the function that this answers is called: one write to its socket for all, instead of one
 * for each message. pg itself does so for the messages of one statement (`Writable.cork`).
 */
export function hold(client: pg.ClientBase): () => void {
  const { stream } = (client as unknown as { connection: { stream: { cork(): void; uncork(): void } } }).connection // not in its types
  stream.cork()
  return () => stream.uncork()
}

/** Ends a connection without a word to the server, which may not be there to hear it. */
export function cut(client: pg.ClientBase): void {
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection // not in its types
  stream.destroy()
}
