import { failed } from '../base/index.ts'
import { keepRolePassword } from '../runtime/index.ts'
import { stages, type WiderTopology } from '../topology/index.ts'
import { commonOf, type Engines, type EnginesOptions, poolOf } from './engines.ts'
import { highlyAvailable } from './highly-available.ts'
import type { Component } from './rig/component.ts'
import { pgbouncerComponent } from './rig/components/pgbouncer.ts'
import { type PrimaryComponent, primaryComponent } from './rig/components/primary.ts'
import { replicaComponent } from './rig/components/replica.ts'

/** Connections of the pooler to each server. */
const poolerSize = 20
const replicasOf: Readonly<Record<number, number>> = { 2: 0, 4: 2 }

/** The stages that this version brings up: 2, and of 4 the database half. Errors: `usage`. */
export function enginesOf(options: EnginesOptions): Engines {
  const { stage, database } = options
  const count = replicasOf[stage]
  const name = stages.find(({ number }) => number === stage)?.name
  if (count === undefined || !(name === 'split' || name === 'cached')) throw failed('usage', `This version brings up stages ${Object.keys(replicasOf).join(' and ')}, and ${JSON.stringify(stage)} is none of them: say --stage 2 or --stage 4; tenfold start runs stage 1.`)
  if (options.highlyAvailable) return highlyAvailable(options, name)
  const names = Array.from({ length: count }, (_, index) => `replica-${index + 1}`)
  const primary = primaryComponent({ directory: options.postgresDirectory, database, archive: options.archive, replicas: names, ready: (server) => keepRolePassword(server, database, options.role) })
  const replicas = names.map((replica) => replicaComponent(replica, { primary }))
  const aliases = Object.fromEntries([[database, primary.name], ...replicas.map((replica): [string, string] => [aliasOf(database, replica.name), replica.name])])
  const pooler = pgbouncerComponent('pooler', { databases: aliases, database, roles: [options.role], size: poolerSize })
  return { components: [primary, ...replicas, pooler], secrets: (addressOf) => secretsOf(options, primary, replicas, addressOf), topology: (fileOf) => topologyOf(options, name, replicas, fileOf), backedUp: () => primary.address() }
}

function aliasOf(database: string, replica: string): string { return `${database}_${replica.replaceAll('-', '_')}` }

function secretsOf({ database, role }: EnginesOptions, primary: PrimaryComponent, replicas: readonly Component[], addressOf: (name: string) => string): Record<string, string> {
  const { user, password } = primary.address()
  const url = (as: { user: string; password: string }, address: string, named = database) => `postgres://${as.user}:${encodeURIComponent(as.password)}@${address}/${named}`
  return Object.fromEntries([
    ['primary', url({ user, password }, addressOf(primary.name))],
    ['pooler', url(role, addressOf('pooler'))],
    ...replicas.flatMap(({ name }): [string, string][] => [[name, url(role, addressOf(name))], [`pooler-${name}`, url(role, addressOf('pooler'), aliasOf(database, name))]]),
  ])
}

function topologyOf(options: EnginesOptions, stage: 'split' | 'cached', replicas: readonly Component[], fileOf: (secret: string) => `file:${string}`): WiderTopology<any> {
  return {
    ...commonOf(options, fileOf), stage,
    data: {
      engine: 'postgres', primary: fileOf('primary'), pool: poolOf,
      ...(replicas.length > 0 ? { replicas: replicas.map(({ name }) => fileOf(name)) } : {}),
      pooler: { engine: 'pgbouncer', size: poolerSize, primary: fileOf('pooler'), ...(replicas.length > 0 ? { replicas: replicas.map(({ name }) => fileOf(`pooler-${name}`)) } : {}) },
    },
  }
}
