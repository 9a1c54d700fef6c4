/** A stage of an application, brought up as a user would. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ComponentStatus } from '../../src/ops/rig/keeper.ts'
import { type Command, command, finished, type ShopOptions, until } from '../process/shop.ts'

export interface Stage extends Command { ps(): Promise<ComponentStatus[]> }

export async function startStage(directory: string, number: number, ports?: ShopOptions['ports'], options: ShopOptions & { args?: readonly string[] } = {}): Promise<Stage> {
  const up = await command(directory, ['up', '--stage', String(number), ...options.args ?? []], { ...options, ...(ports ? { ports } : {}) })
  let ended = false
  void up.ended.then(() => { ended = true })
  await until(`stage ${number} is ready`, () => ended || /^ready /m.test(up.stdout()), 60_000)
  if (ended) throw new Error(`The stage ended before it was ready: ${up.stderr()}`)
  return { ...up, ps: async () => JSON.parse((await finished(await command(directory, ['ps', '--json'], options))).stdout) as ComponentStatus[] }
}

export function named(rows: readonly ComponentStatus[], role: string): string[] { return rows.filter((row) => row.role === role).map(({ name }) => name) }

/** Its Patroni and its Postgres, which go together. */
export async function processesOfMember(directory: string, name: string, rows: readonly ComponentStatus[]): Promise<number[]> {
  const postmaster = Number((await readFile(join(directory, 'rig', name, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
  return [rows.find((row) => row.name === name)?.pid as number, postmaster]
}
