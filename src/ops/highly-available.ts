import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { failed } from '../base/errors.ts'
import { createFile, isMissing, isThere } from '../base/private-files.ts'
import { systemRandom } from '../base/random.ts'
import { connectionOf } from '../data/index.ts'
import { commonOf, type Engines, type EnginesOptions, poolOf } from './engines.ts'
import type { Component } from './rig/component.ts'
import { etcdComponent } from './rig/components/etcd.ts'
import { memberComponent } from './rig/components/patroni.ts'
import { type ClusterPasswords, dataName } from './rig/components/patroni-settings.ts'

/** One that leads, one that has all that was acknowledged, and one that takes its place when it is needed. */
const members = ['member-1', 'member-2', 'member-3'] as const

/**
 * A stage's database as a cluster that survives its primary. No pooler stands between: PgBouncer knows one address and would go on
 * sending to a primary that is no more; the application's own pools know all the hosts, and follow.
 */
export function highlyAvailable(options: EnginesOptions, stage: 'split' | 'cached'): Engines {
  const { database, role, rigDirectory } = options
  let kept: Promise<ClusterPasswords> | undefined
  let primary: string | undefined
  const passwords = () => kept ??= keptPasswords(rigDirectory)
  const coordinator = etcdComponent('etcd')
  const replicas = stage === 'cached' ? members : []
  const components = [coordinator, ...members.map((name) => memberComponent(name, { coordinator: coordinator.name, database, passwords, logSlot: options.logSlot }))]
  return {
    components,
    prepare: () => sweepHalfMade(rigDirectory, components),
    async secrets(addressOf) {
      const url = (user: string, password: string, hosts: readonly string[]) => `postgres://${user}:${encodeURIComponent(password)}@${hosts.join(',')}/${database}`
      const { superuser } = await passwords()
      primary = url('postgres', superuser, members.map(addressOf))
      return { primary, ...Object.fromEntries(replicas.map((name) => [name, url(role.user, role.password, [addressOf(name)])])) }
    },
    areNew: () => isThere(beingMade(rigDirectory)),
    async keep() { await rm(beingMade(rigDirectory), { force: true }) },
    backedUp: () => connectionOf(primary ?? '', 'data.primary'),
    topology: (fileOf) => ({
      ...commonOf(options, fileOf), stage,
      data: { engine: 'postgres', primary: fileOf('primary'), pool: poolOf, ...(replicas.length > 0 ? { replicas: replicas.map(fileOf) } : {}) },
    }),
  }
}

/** There while the cluster is made for the first time, and stage 1's rows are moved in: what is found beside it was never used. */
const beingMade = (rigDirectory: string) => join(rigDirectory, 'cluster-is-being-made')

/** Patroni does not go on where the making of a cluster was broken off: it is made anew. */
async function sweepHalfMade(rigDirectory: string, components: readonly Component[]): Promise<void> {
  if (await hasCluster(rigDirectory)) return
  await createFile(beingMade(rigDirectory), '')
  for (const { name, destroy } of components.toReversed()) await destroy(join(rigDirectory, name))
}

/** Made once, and then the same: the servers know them. */
async function keptPasswords(rigDirectory: string): Promise<ClusterPasswords> {
  const file = join(rigDirectory, 'cluster-passwords.json')
  const known = await readFile(file, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (known === undefined && await hasCluster(rigDirectory)) throw failed('start', `The cluster in ${rigDirectory} is there, and its passwords in ${file} are gone: bring the file back from a backup.`)
  const random = () => systemRandom.bytes(24).toString('base64url')
  if (known === undefined) await createFile(file, `${JSON.stringify({ superuser: random(), replication: random(), rest: random() } satisfies ClusterPasswords)}\n`)
  try {
    return JSON.parse(known ?? await readFile(file, 'utf8')) as ClusterPasswords
  } catch (cause) {
    throw failed('start', `The passwords of the cluster in ${file} are damaged: bring the file back from a backup.`, { cause })
  }
}

async function hasCluster(rigDirectory: string): Promise<boolean> {
  if (await isThere(beingMade(rigDirectory))) return false
  return (await Promise.all(members.map((name) => isThere(join(rigDirectory, name, dataName, 'PG_VERSION'))))).some(Boolean)
}

/** Rows that are in a cluster would be missed without it. Errors: `start`. */
export async function assertNothingForgotten({ highlyAvailable: isWanted, postgresDirectory, rigDirectory }: { highlyAvailable: boolean; postgresDirectory: string; rigDirectory: string }): Promise<void> {
  if (isWanted || !await hasCluster(rigDirectory) || await isThere(join(postgresDirectory, 'cluster', 'PG_VERSION'))) return
  throw failed('start', `The rows of this application are in the cluster in ${rigDirectory}, and would be missed without it: say --ha; or give what is to begin empty another directory (TENFOLD_DATA=DIRECTORY).`)
}
