/** What Patroni says of its server and of the cluster, by its REST interface on this machine. */
import type { Role } from './component.ts'

export interface MemberNow {
  readonly role: Extract<Role, 'primary' | 'replica'>
  /** Its Postgres takes connections. */
  readonly isRunning: boolean
}

const answerMs = 2_000

/** Undefined: it does not answer. */
export async function memberNow(restPort: number): Promise<MemberNow | undefined> {
  const body = await json(restPort, '/patroni') as { state?: string; role?: string } | undefined
  if (!body) return undefined
  const isRunning = body.state === 'running' || body.state === 'streaming'
  return { isRunning, role: isRunning && (body.role === 'master' || body.role === 'primary') ? 'primary' : 'replica' } // version 4 calls it so
}

/** Whether that member runs in a cluster that has a primary, and beside it one who has all that was acknowledged. */
export async function isSettled(restPort: number, name: string): Promise<boolean> {
  const body = await json(restPort, '/cluster') as { members?: { name: string; role: string; state: string }[] } | undefined
  const running = (body?.members ?? []).filter(({ state }) => state === 'running' || state === 'streaming')
  return running.some((member) => member.name === name) && running.some(({ role }) => role === 'leader') && running.some(({ role }) => role === 'sync_standby')
}

/** Who holds the lease of the primary, as etcd has it: a name, or `none`. Undefined: etcd does not answer. */
export async function leaseHolder(etcd: string, scope: string): Promise<string | undefined> {
  const key = Buffer.from(`/service/${scope}/leader`).toString('base64')
  try {
    const answer = await fetch(`http://${etcd}/v3/kv/range`, { method: 'POST', body: JSON.stringify({ key }), signal: AbortSignal.timeout(answerMs) })
    const { kvs } = await answer.json() as { kvs?: { value: string }[] }
    return answer.ok ? kvs?.[0] ? Buffer.from(kvs[0].value, 'base64').toString() : 'none' : undefined
  } catch { return undefined }
}

/** Changes what all members agree on; what is so already stays. Answers whether it was taken. */
export async function agree(restPort: number, settings: object, authorization: { readonly user: string; readonly password: string }): Promise<boolean> {
  const credentials = Buffer.from(`${authorization.user}:${authorization.password}`).toString('base64')
  return await fetch(`http://127.0.0.1:${restPort}/config`, {
    method: 'PATCH', body: JSON.stringify(settings), headers: { 'content-type': 'application/json', authorization: `Basic ${credentials}` }, signal: AbortSignal.timeout(answerMs),
  }).then(({ ok }) => ok, () => false)
}

/** A member in trouble answers 503, and says as much. */
async function json(port: number, path: string): Promise<unknown> {
  try { return await (await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(answerMs) })).json() } catch { return undefined }
}
