import type pg from 'pg'

/**
 * Where the server waits for a standby at each COMMIT, that wait can be cancelled (`pg_cancel_backend`, a pooler's or an operator's
 * cancel request; never by `statement_timeout`, which ends before it). The server then answers COMMIT as if all were well, behind a
 * warning: what was committed is on one disk, and a failover loses it. So whoever commits looks whether its connection was so warned.
 */
const warned = new WeakSet<pg.ClientBase>()

/** From now on it is known of that connection. By the routine that warns: the words are in the server's language. */
export function heedWarnings(client: pg.ClientBase): void {
  client.on('notice', ({ routine }) => { if (routine === 'SyncRepWaitForLSN') warned.add(client) })
}

/** Whether a commit on it may be on one server only. It says so for good: such a connection is not used again. */
export function wasUnreplicated(client: pg.ClientBase): boolean { return warned.has(client) }

/**
 * An expression that makes a statement's own commit wait as its predecessors' did: who repeats an answer that was committed must not
 * be told it before it is where it is safe, and a transaction that only reads waits for nobody. It writes a line to the log that says
 * nothing, and only where there is a standby to wait for (Postgres manual, "Synchronous Replication").
 */
export const awaitsReplication = `case when current_setting('synchronous_standby_names') <> '' then pg_logical_emit_message(true, 'tenfold', '') end`
