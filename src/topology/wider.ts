import type { AppDefinition } from '../app/index.ts'
import { bytes, type Duration, type Fault, milliseconds, resolveSecret, type Size } from '../base/index.ts'
import { connectionFaults } from './connections.ts'
import type { DataTopology, WiderTopology } from './topology.ts'

export function isReference(value: string): boolean { return /^(env|file|vault):./.test(value) }

/** Faults of a topology with servers of their own: references, names, connections, and what this version does not do yet. */
export function widerFaults(app: AppDefinition, topology: WiderTopology<any>): Fault[] {
  const faults: Fault[] = []
  const { data } = topology
  for (const [path, value] of references(data)) if (!isReference(value)) faults.push({ path, message: 'is a value: where a database is, with its password, is a secret; write env:NAME or file:PATH' })
  for (const [index, replica] of (data.replicas ?? []).entries()) {
    const first = data.replicas?.indexOf(replica) ?? index
    if (first < index) faults.push({ path: `data.replicas.${index}`, message: `is the same as data.replicas.${first} (${replica}): name another server, or leave it out` })
  }
  if ((data.pooler?.replicas?.length ?? 0) > (data.replicas?.length ?? 0)) faults.push({ path: 'data.pooler.replicas', message: `are more than data.replicas, which they lead to one by one: name as many, or fewer` })
  if (data.pooler && hasSeveralHosts(data.primary)) faults.push({ path: 'data.pooler', message: 'stands before one server, and data.primary names several: after a failover it would go on sending to the old primary; leave the pooler out, and the pools of each process follow' })
  if (data.lagLimit !== undefined && !isDuration(data.lagLimit)) faults.push({ path: 'data.lagLimit', message: `is no duration: write it as '500ms'` })
  if (topology.cache && !isSize(topology.cache.memory)) faults.push({ path: 'cache.memory', message: `is no size: write it as '64mb'` })
  for (const part of ['web', 'workers'] as const) {
    const processes = topology[part]?.processes
    if (typeof processes === 'object' && processes.min > processes.max) faults.push({ path: `${part}.processes.min`, message: `is ${processes.min}, more than max (${processes.max}): lower it` })
  }
  for (const name of Object.keys(data.shards ?? {})) {
    const module = app.modules.get(name)
    if (!module) faults.push({ path: `data.shards.${name}`, message: `is no module of ${app.name}` })
    else if (module.shardKey === undefined) faults.push({ path: `data.shards.${name}`, message: 'has no shardKey: give the module one before its rows can be split' })
  }
  for (const name of Object.keys(topology.services ?? {})) if (!app.modules.has(name)) faults.push({ path: `services.${name}`, message: `is no module of ${app.name}` })
  return faults.length > 0 ? faults : connectionFaults(topology)
}

function references({ primary, replicas = [], pooler }: DataTopology<any>): [string, string][] {
  return [
    ['data.primary', primary], ...replicas.map((value, index): [string, string] => [`data.replicas.${index}`, value]),
    ...(pooler ? [['data.pooler.primary', pooler.primary] as [string, string], ...(pooler.replicas ?? []).map((value, index): [string, string] => [`data.pooler.replicas.${index}`, value])] : []),
  ]
}

/** Where the reference can be followed already; a place that checks topologies may not have the secrets. */
function hasSeveralHosts(reference: string): boolean {
  if (!isReference(reference)) return false
  try { return /^\w+:\/\/(?:[^@/]*@)?([^/?]+)/.exec(resolveSecret(reference, 'data.primary'))?.[1]?.includes(',') === true } catch { return false } // that it is missing is told where it is used
}

function isDuration(value: string): boolean {
  try { return milliseconds(value as Duration) > 0 } catch { return false } // the fault is told by the caller
}

function isSize(value: Size): boolean {
  try { return bytes(value) > 0 } catch { return false } // the fault is told by the caller
}

/** What is valid, and waits for a later version. */
export function unsupported(app: AppDefinition, topology: WiderTopology<any>): Fault[] {
  const faults: Fault[] = []
  const later = (path: string, message: string) => { faults.push({ path, message }) }
  if (!['split', 'balanced', 'cached'].includes(topology.stage)) later('stage', `is ${topology.stage}: this version starts single, split, balanced and cached`)
  if (topology.cache?.shared) later('cache.shared', 'is not there yet: leave it out, and answers are kept in the process')
  if (topology.store && topology.store.engine !== 'postgres') later('store', `is not there yet: leave it out, and Postgres serves it`)
  if (topology.events && topology.events.engine !== 'postgres') later('events', `is not there yet: leave it out, and Postgres serves them`)
  if (topology.data.shards) later('data.shards', 'are not there yet: leave them out')
  if (topology.services) later('services', 'are not there yet: leave them out, and every process runs every module')
  const cached = [...app.modules.values()].flatMap((module) => [...module.procedures.values()]).find(({ query }) => query?.cache)
  const { processes = 1 } = topology.web ?? {}
  if (cached && (typeof processes !== 'number' || processes > 1)) later('web.processes', `is more than 1, and ${cached.name} is cached in the process: until processes tell each other what is wrong now, use 1, or take its cache away`)
  return faults
}
