import pg from 'pg'
import { type Clock, failed, lsnText } from '../../base/index.ts'

/**
 * A server's log as it is written, by the streaming replication protocol. (PostgreSQL documentation, "Streaming Replication Protocol", START_REPLICATION.) Positions are byte offsets.
 */
export interface StreamedLog {
  /** What the server is told to be stored for good: its slot moves there, and what lies before need not be kept. */
  confirm(lsn: bigint): void
  /** No more is read until `resume`; the server hears from us all the while. */
  pause(): void
  resume(): void
  /** Asks the server for the end: `ended` then resolves. */
  end(): void
  /** Where the log goes on, when this timeline has ended; undefined when we, or a server that shuts down, ended it. Rejects with what the server, or the network, said. */
  readonly ended: Promise<NextTimeline | undefined>
}

export interface NextTimeline { readonly timeline: number; readonly lsn: string }

export interface StreamOptions {
  readonly session: pg.Client
  readonly slot: string
  readonly timeline: number
  readonly lsn: bigint
  readonly clock: Clock
  /** The bytes from `lsn` on, in their order; read again when this returns. What it throws ends the stream. */
  readonly onData: (bytes: Buffer) => void
  /** The server lets us, and nobody else, read by the slot. */
  readonly onBegun: () => void
}

/** How often it is told where we are, and for how long a server may say nothing that is not gone, in milliseconds. */
const [tellMs, silentMs] = [1_000, 15_000]
/** Where Postgres' clock begins, 2000-01-01, in milliseconds. */
const epochMs = 946_684_800_000

interface Copying {
  query(text: string): void
  readonly stream: { pause(): void; resume(): void; destroy(error?: Error): void }
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
  on(event: 'copyDone' | 'replicationStart', listener: () => void): void
}

/** Messages of the server in the copy: `w` is data of the log, `k` a sign of life. */
export type ServerMessage = { readonly kind: 'data'; readonly start: bigint; readonly bytes: Buffer } | { readonly kind: 'alive'; readonly wantsAnswer: boolean }

/** Errors: `backup`, for what is none. */
export function readMessage(chunk: Buffer): ServerMessage {
  if (chunk[0] === 0x77 && chunk.length > 25) return { kind: 'data', start: chunk.readBigUInt64BE(1), bytes: chunk.subarray(25) }
  if (chunk[0] === 0x6b && chunk.length === 18) return { kind: 'alive', wantsAnswer: chunk[17] === 1 }
  throw failed('backup', `The server sent ${chunk.length} bytes that are no part of a log (they begin with ${chunk.subarray(0, 8).toString('hex') || 'nothing'}): see whether a Postgres of version 15 or later answers there.`)
}

export function statusMessage({ written, stored, nowMs, wantsAnswer }: { written: bigint; stored: bigint; nowMs: number; wantsAnswer: boolean }): Buffer {
  const message = Buffer.alloc(34)
  message[0] = 0x72
  message.writeBigUInt64BE(written, 1)
  message.writeBigUInt64BE(stored, 9) // none of it is replayed: what stands at 17 is 0
  message.writeBigInt64BE(BigInt(Math.round(nowMs - epochMs)) * 1000n, 25)
  message[33] = wantsAnswer ? 1 : 0
  return message
}

export function streamLog({ session, slot, timeline, lsn, clock, onData, onBegun }: StreamOptions): StreamedLog {
  const { promise: ended, resolve, reject } = Promise.withResolvers<NextTimeline | undefined>()
  let connection: Copying | undefined
  let [received, stored, isDone, isPaused] = [lsn, 0n, false, false]
  let heardAt = clock.monotonic()
  let next: NextTimeline | undefined
  const over = new AbortController()
  const tell = (wantsAnswer = false) => { if (!isDone) connection?.sendCopyFromChunk(statusMessage({ written: received, stored, nowMs: clock.now(), wantsAnswer })) }
  const finish = () => { if (!isDone) { isDone = true; connection?.endCopyFrom() } }
  const broken = (error: unknown) => { over.abort(); isDone = true; connection?.stream.destroy(); reject(error) }
  const answer = (message: ServerMessage) => {
    if (message.kind === 'data') {
      if (message.start !== received) throw failed('backup', `The server sent the log from ${lsnText(message.start)}, and ${lsnText(received)} was to come: the connection is made anew.`)
      onData(message.bytes)
      received += BigInt(message.bytes.length)
      return
    }
    if (message.wantsAnswer) tell()
  }
  const beat = async () => {
    while (!over.signal.aborted) {
      await clock.sleep(tellMs, over.signal)
      const silent = clock.monotonic() - heardAt
      if (isPaused) heardAt = clock.monotonic()
      else if (silent > silentMs) return broken(failed('backup', `The server said nothing for ${silentMs / 1000} s: the connection is made anew.`))
      tell(silent > silentMs / 3)
    }
  }
  const handlers = {
    submit(one: pg.Connection) {
      connection = one as pg.Connection & Copying
      connection.on('copyDone', finish)
      connection.on('replicationStart', onBegun)
      connection.query(`START_REPLICATION SLOT ${pg.escapeIdentifier(slot)} PHYSICAL ${lsnText(lsn)} TIMELINE ${timeline}`)
    },
    handleCopyData({ chunk }: { chunk: Buffer }) {
      heardAt = clock.monotonic()
      if (isDone) return
      try { answer(readMessage(chunk)) } catch (error) { broken(error) }
    },
    handleDataRow({ fields: [after, at] }: { fields: (string | null)[] }) { if (after && at) next = { timeline: Number(after), lsn: at } },
    handleError(error: unknown) { broken(error) },
    handleReadyForQuery() { over.abort(); isDone = true; resolve(next) },
    handleRowDescription() {}, handleCommandComplete() {}, handleEmptyQuery() {}, handlePortalSuspended() {}, handleCopyInResponse() {},
  }
  session.query(handlers)
  void beat()
  return {
    ended, end: finish,
    confirm(at) { stored = at; tell() },
    pause() { isPaused = true; connection?.stream.pause() },
    resume() { if (isPaused) { isPaused = false; heardAt = clock.monotonic(); connection?.stream.resume() } },
  }
}

/** On which timeline the server of a session for replication is. */
export async function serverTimeline(session: pg.Client): Promise<number> {
  const { rows: [found] } = await session.query<{ timeline: number | string }>('IDENTIFY_SYSTEM')
  if (!found) throw failed('internal', 'The server said nothing of itself.')
  return Number(found.timeline)
}

/** The file that tells from which timelines that one came. */
export async function timelineHistory(session: pg.Client, timeline: number): Promise<Buffer> {
  const { rows: [file] } = await session.query<{ content: string | Buffer }>(`TIMELINE_HISTORY ${timeline}`)
  return Buffer.from(file?.content ?? '')
}
