import type { App } from '../app/index.ts'
import { failed } from '../base/index.ts'
import { stages, type Topology, type WiderTopology } from '../topology/index.ts'
import type { Component } from './rig/component.ts'
import { pgbouncerComponent } from './rig/components/pgbouncer.ts'
import { type PrimaryComponent, primaryComponent } from './rig/components/primary.ts'
import { replicaComponent } from './rig/components/replica.ts'

/** The engines of a stage, as components, and the topology that an application then has. */
export interface Engines {
  readonly components: readonly Component[]
  /** Where each secret's value goes: the topology names files. */
  secrets(addressOf: (name: string) => string): Readonly<Record<string, string>>
  topology(fileOf: (secret: string) => `file:${string}`): WiderTopology<any>
}

export interface EnginesOptions {
  readonly stage: number
  /** What is the same at every stage is taken from it. */
  readonly topology: Topology<App<any, any, any>>
  readonly database: string
  /** Of stage 1's Postgres, which becomes the primary. */
  readonly postgresDirectory: string
  /** Who the application is there. */
  readonly role: { readonly user: string; readonly password: string }
  readonly directory: string
}

/** Connections of the pooler to each server, and of each process's pools. */
const [poolerSize, poolMax] = [20, 10]
const replicasOf: Readonly<Record<number, number>> = { 2: 0, 4: 2 }

/** The stages that this version brings up: 2, and of 4 the database half. Errors: `usage`. */
export function enginesOf(options: EnginesOptions): Engines {
  const { stage, database } = options
  const count = replicasOf[stage]
  const name = stages.find(({ number }) => number === stage)?.name
  if (count === undefined || !(name === 'split' || name === 'cached')) throw failed('usage', `This version brings up stages ${Object.keys(replicasOf).join(' and ')}, and ${JSON.stringify(stage)} is none of them: say --stage 2 or --stage 4; tenfold start runs stage 1.`)
  const primary = primaryComponent({ directory: options.postgresDirectory, database })
  const replicas = Array.from({ length: count }, (_, index) => replicaComponent(`replica-${index + 1}`, { primary }))
  const aliases = Object.fromEntries([[database, primary.name], ...replicas.map((replica): [string, string] => [aliasOf(database, replica.name), replica.name])])
  const pooler = pgbouncerComponent('pooler', { databases: aliases, database, roles: [options.role], size: poolerSize })
  return { components: [primary, ...replicas, pooler], secrets: (addressOf) => secretsOf(options, primary, replicas, addressOf), topology: (fileOf) => topologyOf(options, name, replicas, fileOf) }
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

function topologyOf({ topology, directory }: EnginesOptions, stage: 'split' | 'cached', replicas: readonly Component[], fileOf: (secret: string) => `file:${string}`): WiderTopology<any> {
  const { ports, host, dependencies, rateLimit, tracing, cors, docs } = topology
  const common = Object.fromEntries(Object.entries({ ports, host, dependencies, rateLimit, tracing, cors, docs }).filter(([, value]) => value !== undefined))
  return {
    ...common, stage, directory, secret: fileOf('secret'), web: { processes: 1 },
    data: {
      engine: 'postgres', primary: fileOf('primary'), pool: { max: poolMax, waitMs: 2_000 },
      ...(replicas.length > 0 ? { replicas: replicas.map(({ name }) => fileOf(name)) } : {}),
      pooler: { engine: 'pgbouncer', size: poolerSize, primary: fileOf('pooler'), ...(replicas.length > 0 ? { replicas: replicas.map(({ name }) => fileOf(`pooler-${name}`)) } : {}) },
    },
  }
}
