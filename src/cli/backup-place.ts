import { failed } from '../base/index.ts'
import { type BackupStore, openStore } from '../ops/index.ts'
import type { Topology } from '../topology/index.ts'
import { type ConfigPlace, loadConfig } from './config.ts'

/** The store that the option names, or else the topology. Where the option is there no configuration is needed: on a new machine there may be none. Errors: `usage`, `secret`. */
export async function storeOf(option: string | boolean | undefined, place: ConfigPlace, name: '--to' | '--from'): Promise<BackupStore> {
  if (typeof option === 'string') return await openStore({ to: option })
  return await storeOfTopology((await loadConfig(place)).topology, name)
}

export async function storeOfTopology(topology: Topology<any>, name: '--to' | '--from', option?: string | boolean): Promise<BackupStore> {
  if (typeof option === 'string') return await openStore({ to: option })
  const place = topology.backup
  if (!place) throw failed('usage', `The topology names no store of backups: give it backup: { to: ... }, or say ${name} with a folder or s3://bucket/prefix.`)
  return await openStore(place)
}
