/** On what it was measured. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, type } from 'node:os'
import { join } from 'node:path'
import { findEngine } from '../src/ops/rig/binaries.ts'

export interface Machine { readonly cpu: string; readonly cores: number; readonly system: string; readonly node: string; readonly postgres: string; readonly load: string; readonly libraries: readonly string[] }

interface Manifest { version: string; dependencies?: Record<string, string> }

export async function machine(): Promise<Machine> {
  const here = import.meta.dirname
  const manifest = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Manifest
  const libraries = Object.keys(manifest(join(here, 'package.json')).dependencies ?? {}).map((name) => `${name} ${manifest(join(here, 'node_modules', name, 'package.json')).version}`)
  const { version: postgres } = await findEngine()
  const wrk = /wrk \S+/.exec(spawnSync('wrk', ['-v'], { encoding: 'utf8' }).stdout)?.[0] ?? 'wrk'
  return { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length, system: `${type()} ${release()}`, node: process.versions.node, postgres: `${postgres} (embedded)`, load: wrk, libraries }
}
