import type { App } from '../app/index.ts'
import type { Topology, WiderTopology } from '../topology/index.ts'
import type { PostgresAddress } from './rig/base-backup.ts'
import type { Component } from './rig/component.ts'
import type { PostgresOptions } from './rig/postgres.ts'

/** The engines of a stage, as components, and the topology that an application then has. */
export interface Engines {
  readonly components: readonly Component[]
  /** Before they start. Errors: `start`. */
  prepare?(): Promise<void>
  /** Once they all run. Where each secret's value goes: the topology names files. */
  secrets(addressOf: (name: string) => string): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
  topology(fileOf: (secret: string) => `file:${string}`): WiderTopology<any>
  /** Once they all run: whether they are made for the first time, and hold nothing yet. Stage 1's rows are then moved in. */
  areNew?(): Promise<boolean>
  /** They hold what they should: they are not made anew after this. */
  keep?(): Promise<void>
  /** The server that is backed up, once it runs. */
  backedUp(): PostgresAddress
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
  /** Of the rig. */
  readonly rigDirectory: string
  /** A cluster that survives its primary, in the place of that Postgres and its copies. */
  readonly highlyAvailable: boolean
  /** That its log goes into the store of backups. */
  readonly archive: PostgresOptions['archive']
  /** By which the log of a cluster is received for that. */
  readonly logSlot?: string | undefined
}

/** Of each process's pools. */
export const poolOf = { max: 10, waitMs: 2_000 } as const

/** What is the same at every stage. */
export function commonOf({ topology, directory }: EnginesOptions, fileOf: (secret: string) => `file:${string}`) {
  const { ports, host, dependencies, rateLimit, tracing, cors, docs } = topology
  const common = Object.fromEntries(Object.entries({ ports, host, dependencies, rateLimit, tracing, cors, docs }).filter(([, value]) => value !== undefined))
  return { ...common, directory, secret: fileOf('secret'), web: { processes: 1 } } as const
}
