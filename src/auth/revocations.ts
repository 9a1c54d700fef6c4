import type { Platform } from '../calls/index.ts'
import { revokedEvent, type Revoked } from './sessions.ts'

/**
 * Access tokens that are refused before they expire. Each process has the whole list in memory and reads it again twice a second;
 * what it revokes itself it knows at the commit. An entry leaves when its token has expired by itself, so the list is as long as the
 * revocations of one access token's life.
 *
 * When the database cannot be read, the last list stays: what this process lacks then is only what others revoke meanwhile, and the
 * log and a gauge say so.
 */
export interface Revocations {
  has(jti: string): boolean
  /** Whether it was ever read: before that, nobody may be let in. */
  readonly loaded: boolean
  /** Reads it. Errors: the database's, as long as it was never read; after that they are logged, and the last list stays. */
  refresh(): Promise<void>
  onCommitted(event: string, payload: unknown): void
}

/** How old the list may be before the log speaks of it, in milliseconds. */
const staleMs = 5_000

export function createRevocations({ data, clock, logs, metrics }: Pick<Platform, 'data' | 'clock' | 'logs' | 'metrics'>): Revocations {
  /** jti → when its token expires by itself, in milliseconds since the epoch. */
  const expiries = new Map<string, number>()
  let readAt: number | undefined
  let toldStale = false
  let reading: Promise<void> | undefined
  const ageMs = () => readAt === undefined ? 0 : clock.monotonic() - readAt
  metrics.gauge('tenfold_auth_revoked_tokens', 'Access tokens that are refused before they expire', {}, () => expiries.size)
  metrics.gauge('tenfold_auth_revocations_age_seconds', 'Since when the list of revoked tokens was last read', {}, () => ageMs() / 1000)

  const tellStale = (reason: string) => {
    if (toldStale || readAt === undefined || ageMs() < staleMs) return
    toldStale = true
    logs.error('the list of revoked tokens cannot be read: tokens that other processes revoke are still let in here', { age_ms: Math.round(ageMs()), reason })
  }
  const read = async () => {
    const askedAt = clock.monotonic()
    // A statement that hangs would say nothing until it ends.
    const stopWatching = clock.after(Math.max(0, staleMs - ageMs()), () => tellStale('the database does not answer'))
    try {
      const now = clock.now()
      const rows = await data.execute<{ jti: string; access_expires_at: string }>(data.databaseOf(undefined), {
        name: 'tenfold_revoked', text: 'select jti, access_expires_at from auth.tokens where revoked_at is not null and access_expires_at > $1', values: [new Date(now)],
      })
      // Only added to: what was revoked here while the statement was under way is not in its answer.
      for (const row of rows) expiries.set(row.jti, Date.parse(row.access_expires_at))
      for (const [jti, expiresAt] of expiries) if (expiresAt <= now) expiries.delete(jti)
      readAt = askedAt
      if (toldStale) logs.info('the list of revoked tokens is read again')
      toldStale = false
    } catch (error) {
      if (readAt === undefined) throw error
      tellStale(String(error))
    } finally {
      stopWatching()
    }
  }

  return {
    has: (jti) => expiries.has(jti),
    get loaded() { return readAt !== undefined },
    refresh: () => reading ??= read().finally(() => { reading = undefined }),
    onCommitted(event, payload) {
      if (event === revokedEvent) for (const { jti, expiresAt } of (payload as Revoked).tokens) expiries.set(jti, expiresAt) // checked when it was emitted
    },
  }
}
