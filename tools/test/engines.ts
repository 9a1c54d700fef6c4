/** Programs that no npm package brings, and tests need: installed where that is ours to do, else said loudly. */
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

interface Program { readonly command: string; readonly debian: string }

/** Debian asks this file whether a package may start its server; none may. */
const policy = '/usr/sbin/policy-rc.d'
const aptMs = 5 * 60_000

/** Answers what is missing after all; the tests that need it skip, by name. */
export async function installEngines(root: string): Promise<readonly string[]> {
  const { programs, findProgram } = await import(pathToFileURL(`${root}/src/ops/rig/programs.ts`).href) as { programs: Record<string, Program>; findProgram(program: Program): Promise<string | undefined> }
  const missing = async () => {
    const found = await Promise.all(Object.values(programs).map(async (program) => ({ program, path: await findProgram(program) })))
    return found.filter(({ path }) => path === undefined).map(({ program }) => program)
  }
  const wanted = await missing()
  if (wanted.length === 0) return []
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) install(wanted.map(({ debian }) => debian))
  const left = await missing()
  for (const { command, debian } of left) console.log(`NOT TESTED: what needs ${command}. Install it: apt-get install --no-install-recommends ${debian}`)
  return left.map(({ command }) => command)
}

function install(packages: readonly string[]): void {
  console.log(`installing ${packages.join(', ')} with apt`)
  const mayStart = !existsSync(policy)
  if (mayStart) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    for (const args of [['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', ...packages]]) {
      const { status, stderr } = spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8', timeout: aptMs, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
      if (status !== 0) console.log(`apt-get ${args[0]} failed: ${stderr.trim().split('\n').at(-1) ?? ''}`)
    }
  } finally {
    if (mayStart) rmSync(policy, { force: true })
  }
}
