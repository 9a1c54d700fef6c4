import type pg from 'pg'

/** As whom statements are planned: an application's role, for which row security holds, in its module's schema. */
export interface Standing {
  readonly role?: string | undefined
  readonly searchPath?: string | undefined
  /** Whose rows are seen (`tenfold.bucket`). */
  readonly bucket?: string | undefined
}

/** A session that plans as the application does, and looks at catalogues, and builds, as whoever it connected as. */
export interface Session {
  readonly client: pg.Client
  /** As whoever connected: row security would hide statistics. */
  outside<T>(work: () => Promise<T>): Promise<T>
}

export async function sessionAs(client: pg.Client, { role, searchPath, bucket }: Standing = {}): Promise<Session> {
  if (role === undefined && searchPath === undefined) return { client, outside: (work) => work() }
  const { rows: [own] } = await client.query<{ path: string }>(`select current_setting('search_path') as path`)
  const stand = (asRole: string, path: string) => client.query(`select set_config('role', $1, false), set_config('search_path', $2, false), set_config('tenfold.bucket', $3, false)`, [asRole, path, bucket ?? ''])
  const enter = () => stand(role ?? 'none', searchPath ?? own?.path ?? '')
  const leave = () => stand('none', own?.path ?? '')
  await enter()
  return {
    client,
    async outside(work) {
      await leave()
      try { return await work() } finally { await enter().catch(() => { /* the transaction has failed: its own error is told */ }) }
    },
  }
}

/** Back to who connected, before another standing is taken. */
export async function leaveStanding(client: pg.Client): Promise<void> { await client.query('reset role; reset search_path') }
