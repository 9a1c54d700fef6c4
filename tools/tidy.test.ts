import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { rules, tidy } from './tidy.ts'
import { applyRatchets } from './tidy/ratchet.ts'

type Tree = Record<string, string>

const filesOf = (tree: Tree) => Object.entries(tree).map(([path, text]) => ({ path, text }))

/** Where that rule finds a fault in these files, as `path:line`. */
function faults(rule: string, tree: Tree): string[] {
  assert.ok(rules.some(({ name }) => name === rule), `there is no rule ${rule}`)
  return tidy(filesOf(tree), {}).filter((fault) => fault.rule === rule).map(({ path, line }) => `${path}:${line}`)
}

/** Each line is a file of its own: `faulty` ones must be found, at line 1, and `fine` ones not. */
function judge(rule: string, path: (name: string) => string, { faulty, fine }: { faulty: string[]; fine: string[] }): void {
  const tree = Object.fromEntries([...faulty.map((text, index) => [path(`faulty-${index}`), text]), ...fine.map((text, index) => [path(`fine-${index}`), text])])
  const found = new Set(faults(rule, tree))
  const missed = faulty.filter((_, index) => !found.has(`${path(`faulty-${index}`)}:1`))
  const wronged = fine.filter((_, index) => found.has(`${path(`fine-${index}`)}:1`))
  assert.deepEqual({ missed, wronged }, { missed: [], wronged: [] })
}

const lines = (count: number) => 'export const one = 1\n'.repeat(count)

describe('imports run one way', () => {
  test('from any tier', () => judge('one-way', (name) => `src/cache/${name}.ts`, {
    faulty: [
      `import { serve } from '../http/index.ts'`,
      `import type { Server } from '../http/index.ts'`,
      `export { serve } from '../http/index.ts'`,
      `const { serve } = await import('../http/index.ts')`,
      `type Server = import('../http/index.ts').Server`,
      `import { pool } from '../data/pool.ts'`,
      `import type { Pool } from '../data/pool.ts'`,
      `import { module } from '../app/module.ts'`,
      `import { type Module } from '../app/module.ts'`,
      `import { request } from '../request.ts'`,
      `import { defineApp } from '../index.ts'`,
      `import { rig } from '../ops/rig/index.ts'`,
      `import { other } from '../elsewhere/index.ts'`,
      `import { defineApp } from 'tenfold'`,
      `import { cache } from 'tenfold/cache'`,
      `import { rules } from '../../tools/tidy.ts'`,
    ],
    fine: [
      `import { read } from '../data/index.ts'`,
      `import { memory } from './drivers/memory.ts'`,
      `import { failed } from '../base/errors.ts'`,
      `import type { Module } from '../app/module.ts'`,
      `import { defineModule } from '../app/index.ts'`,
      `import { test } from 'node:test'`,
      `import { Kysely } from 'kysely/helpers/postgres'`,
      `// import { serve } from '../http/index.ts'`,
      `const text = "import { serve } from '../http/index.ts'"`,
    ],
  }))

  test('with the exceptions that the table names', () => assert.deepEqual(faults('one-way', {
    'src/request.ts': `import { serve } from './http/index.ts'\nimport { start } from './runtime/index.ts'`,
    'src/index.ts': `export { start } from './runtime/index.ts'\nexport { request } from './request.ts'\nexport { pool } from './data/pool.ts'`,
    'src/runtime/start.ts': `import { rig } from '../ops/rig/postgres.ts'\nimport { load } from '../ops/load/index.ts'\nimport { request } from '../request.ts'`,
    'src/ops/rig/postgres.ts': `import { read } from '../../data/index.ts'\nimport { port } from './ports.ts'\nimport { start } from '../../runtime/index.ts'\nimport { load } from '../load/load.ts'`,
    'src/ops/load/load.ts': `import { rig } from '../rig/postgres.ts'\nimport { start } from '../../runtime/index.ts'`,
    'src/elsewhere/one.ts': '',
    'src/loose.ts': '',
    'src/cache/cache.test.ts': `import { start } from '../runtime/start.ts'\nimport { defineApp } from 'tenfold'`,
  }), ['src/elsewhere/one.ts:1', 'src/index.ts:3', 'src/loose.ts:1', 'src/ops/rig/postgres.ts:3', 'src/ops/rig/postgres.ts:4', 'src/request.ts:2', 'src/runtime/start.ts:2']))

  test('and examples import what users import', () => judge('examples', (name) => `examples/shop/${name}.ts`, {
    faulty: [`import { defineApp } from '../../src/index.ts'`, `const app = await import('../../dist/index.js')`],
    fine: [`import { defineApp } from 'tenfold'`, `import { testApp } from 'tenfold/testing'`, `import { orders } from './src/orders.ts'`],
  }))
})

describe('sizes', () => {
  test('of files, and of the median in src/', () => {
    const tree = { 'src/data/data.ts': lines(401), 'src/data/index.ts': lines(400), 'test/long.ts': lines(401), 'src/data/data.test.ts': lines(5), 'examples/small.ts': lines(5) }
    assert.deepEqual(faults('file-size', tree), ['src/data/data.ts:401', 'test/long.ts:401'])
    assert.deepEqual(faults('median-size', tree), ['src:1'])
    assert.deepEqual(faults('median-size', { 'src/one.ts': lines(110), 'src/two.ts': lines(300), 'src/three.ts': lines(10) }), [])
  })

  test('of functions, of every form', () => {
    const body = (count: number) => `{\n${'  one()\n'.repeat(count - 2)}}`
    for (const head of ['function name() ', 'const name = () => ', 'const name = async function () ', 'export default function () ']) {
      assert.deepEqual(faults('function-size', { 'src/one.ts': `\n// why\n${head}${body(71)}`, 'src/two.ts': head + body(70) }), ['src/one.ts:3'], head)
    }
    for (const head of ['method() ', 'get value() ', 'constructor() ', '*[Symbol.iterator]() ']) {
      assert.deepEqual(faults('function-size', { 'src/one.ts': `class Name {\n${head}${body(71)}\n}` }), ['src/one.ts:2'], head)
    }
  })

  test('braces in strings, templates, patterns and comments are not counted as code', () => {
    const text = 'function small() {\n  return `${ { a: "}" }.a } { ${`{`}` + /[{]\\/{/.source // {\n}\n' + lines(80)
    assert.deepEqual(faults('function-size', { 'src/one.ts': text }), [])
  })

  test('a describe is a heading, a test is a function', () => {
    const tests = `describe('one', () => {\n${`test('two', () => {\n})\n`.repeat(40)}})\ntest('long', () => {\n${'one()\n'.repeat(70)}})`
    assert.deepEqual(faults('function-size', { 'src/one.test.ts': tests }), ['src/one.test.ts:83'])
  })
})

describe('time and chance', () => {
  const uses = [
    'const now = Date.now()', 'const now = Date.now', 'const now = globalThis.Date.now()', 'const now = new Date()', 'const now = new Date', 'const now = Date()',
    'const now = performance.now()', 'const now = process.hrtime.bigint()', 'const chance = Math.random()', 'const float = { random: Math.random }',
    'setTimeout(work, 10)', 'globalThis.setTimeout(work, 10)', 'const timer = setInterval(work, 10)', 'setImmediate(work)', 'const timers = { setTimeout }',
    'const signal = AbortSignal.timeout(10)', 'const id = crypto.randomUUID()', 'const key = crypto.randomBytes(8)',
    `import { randomBytes as bytes } from 'node:crypto'`, `import { setTimeout } from 'node:timers'`, `import { setTimeout as sleep } from 'node:timers/promises'`,
  ]
  test('are banned in src/', () => judge('time-and-chance', (name) => `src/cache/${name}.ts`, {
    faulty: uses,
    fine: [
      'const now = clock.now()', 'const day = new Date(atMs)', 'const day = Date.UTC(2026, 0)', 'const day = Date.parse(text)', 'type Now = typeof Date.now', 'socket.setTimeout(10)',
      'interface Timers { setTimeout(work: () => void): void }', 'type Timer = ReturnType<typeof setTimeout>', 'clearTimeout(timer)', '// Date.now()', 'const text = `Date.now()`',
      `import { createHash } from 'node:crypto'`, `import { type randomBytes } from 'node:crypto'`, 'const most = Math.max(1, 2)',
    ],
  }))

  test('are free where they come from, and in examples', () => assert.deepEqual(faults('time-and-chance', Object.fromEntries(
    ['src/base/clock.ts', 'src/testing/clock.ts', 'src/ops/load/load.ts', 'src/runtime/data-directory.ts', 'src/cache/cache.test.ts', 'examples/shop/start.ts', 'tools/test.ts']
      .map((path) => [path, uses.join('\n')]))), []))

  test('tests are seeded, and none sleeps', () => judge('test-time', (name) => `test/${name}.ts`, {
    faulty: [
      'await new Promise((resolve) => setTimeout(resolve, 10))', 'await new Promise<void>((done) => { setTimeout(() => done(), 10) })', 'await new Promise(function (done) { setTimeout(() => { done() }, 10) })',
      `import { setTimeout } from 'node:timers/promises'`, 'await systemClock.sleep(10)', 'const chance = Math.random()',
    ],
    fine: [
      'setTimeout(() => server.stop(), 10)', 'await new Promise((_, reject) => setTimeout(() => reject(late), 10))', 'await new Promise((resolve) => server.once("close", resolve))',
      'const now = Date.now()', 'await clock.sleep(10)', `import { setImmediate } from 'node:timers/promises'`,
    ],
  }))
})

describe('words', () => {
  test('errors have codes', () => judge('error-codes', (name) => `src/cache/${name}.ts`, {
    faulty: [`throw new Error('no')`, `throw Error('no')`, `if (bad) throw new TypeError('no')`],
    fine: [`throw failed('invalid', 'No.')`, 'throw error', `const error = new Error('cause')`, `// throw new Error('no')`],
  }))

  test('tests and examples may throw what they like', () => assert.deepEqual(faults('error-codes', { 'src/a/a.test.ts': `throw new Error('no')`, 'examples/a.ts': `throw new Error('no')` }), []))

  test('comments leave no work', () => judge('leftovers', (name) => `tools/${name}.ts`, {
    faulty: ['// TODO later', '/* FIXME */', 'one() // XXX', '// @ts-ignore', '// @ts-nocheck', 'const url = `//${host}` // TODO'],
    fine: [`const currency = 'XXX'`, 'const list = TODO', '// @ts-expect-error a mistake on purpose', 'const text = "// TODO"', 'const text = `/* TODO ${one} // TODO`', 'const pattern = /[/]/ /* plain */'],
  }))

  test('a leftover is found at its own line', () => assert.deepEqual(faults('leftovers', { 'src/a/a.ts': 'const café = "😀"\n/**\n * one\n * TODO two\n */' }), ['src/a/a.ts:4']))

  test('nothing is cast to any', () => judge('as-any', (name) => `src/cache/${name}.ts`, {
    faulty: ['const one = two as any', 'const one = <any>two', 'call((two as any).three)'], fine: ['const one: Cache<any> = two', 'const one = two as unknown', 'const one = "two as any"'],
  }))

  test('a cast through unknown says why', () => assert.deepEqual(faults('casts', {
    'src/a/bare.ts': 'const one = 1\nconst two = one as unknown as string\n',
    'src/a/same.ts': 'const one = 1\nconst two = one as unknown as string // it is one\n',
    'src/a/before.ts': '// it is one\nconst two = one as unknown as string\n',
    'src/a/far.ts': '// it is one\n\nconst two = one as unknown as string\n',
    'src/a/text.ts': 'const two = one as unknown as "//"\n',
    'src/a/long.ts': '// one\nconst two = {\n  one: 1,\n  two: 2,\n} as unknown as string\n',
  }), ['src/a/bare.ts:2', 'src/a/far.ts:3', 'src/a/long.ts:5', 'src/a/text.ts:1']))

  test('no test is switched off', () => judge('every-test-runs', (name) => `test/${name}.test.ts`, {
    faulty: [`test.only('one', run)`, `describe.skip('one', run)`, `test.todo('one')`, `test('one', { skip: true }, run)`, `test('one', { skip: 'why' }, run)`, `it('one', { only: true }, run)`],
    fine: [`test('one', { skip: !hasRedis && 'no Redis here' }, run)`, `test('one', run)`, `const options = list({ skip: 'a' })`, `const text = "test.only('one')"`],
  }))
})

describe('names', () => {
  test('are kebab-case, folders too', () => assert.deepEqual(faults('names', Object.fromEntries([
    'src/dataBase/one.ts', 'src/data/Pool.ts', 'src/data/two_words.ts', 'src/data/--.ts', 'src/data/two-words.test.ts', 'examples/shop/topology.single.ts', 'docs/README.md', 'examples/shop/0001-start.sql', 'package.json',
  ].map((path) => [path, path === 'package.json' ? '{}' : '']))), ['src/data/--.ts:1', 'src/data/Pool.ts:1', 'src/data/two_words.ts:1', 'src/dataBase/one.ts:1']))

  test('every tier with files has an index.ts', () => assert.deepEqual(faults('doors', { 'src/cache/cache.ts': '', 'src/data/index.ts': '', 'src/data/pool.ts': '', 'src/ops/load/index.ts': '', 'src/request.ts': '' }), ['src/cache:1', 'src/ops:1']))

  test('every dependency is explained, once the page exists', () => {
    const manifest = '{\n  "dependencies": { "pg": "8" },\n  "devDependencies": {\n    "@types/pg": "8",\n    "pg-pool": "3",\n    "a.b": "1"\n  }\n}'
    assert.deepEqual(faults('dependencies', { 'package.json': manifest }), [])
    assert.deepEqual(faults('dependencies', { 'package.json': manifest, 'docs/dependencies.md': '| `pg-pool` | why | and a-b' }), ['package.json:2', 'package.json:4', 'package.json:6'])
    assert.deepEqual(faults('dependencies', { 'package.json': manifest, 'docs/dependencies.md': 'pg, pg-pool. `a.b`, @types/*' }), [])
  })
})

test('a ratchet holds the number and only falls', () => {
  const [path, message] = ['src/a.ts', 'a fault']
  const twice = [{ path, line: 1, message }, { path, line: 2, message }]
  const apply = (count: number) => applyRatchets('one', twice, { [path]: { one: count } })
  assert.deepEqual(apply(2), [])
  assert.deepEqual(apply(1), twice)
  assert.match(apply(3)[0]?.message ?? '', /lower the ratchet to 2/)
  assert.match(applyRatchets('one', [], { [path]: { one: 1 } })[0]?.message ?? '', /take the allowance out/)
  assert.deepEqual(applyRatchets('two', twice, { [path]: { one: 1 } }), twice)
  const sized = [{ path, line: 1, message, measure: 420 }]
  assert.deepEqual(applyRatchets('one', sized, { [path]: { one: 420 } }), [])
  assert.deepEqual(applyRatchets('one', sized, { [path]: { one: 419 } }), sized)
  assert.match(applyRatchets('one', sized, { [path]: { one: 430 } })[0]?.message ?? '', /lower the ratchet to 420/)
})

test('the command prints each fault with its place, and answers with its exit code', (context) => {
  const root = mkdtempSync(join(tmpdir(), 'tidy-'))
  context.after(() => rmSync(root, { recursive: true }))
  const write = (path: string, text: string) => { mkdirSync(dirname(join(root, path)), { recursive: true }); writeFileSync(join(root, path), text) }
  const run = () => spawnSync(process.execPath, [join(import.meta.dirname, 'tidy.ts'), root], { encoding: 'utf8' })
  write('src/cache/index.ts', 'export const one = 1\n')
  write('src/cache/node_modules/Bad.ts', '')
  assert.deepEqual([run().status, run().stdout], [0, `tidy: 1 files, ${rules.length} rules, 0 ratchets, no faults\n`])
  write('src/cache/late.ts', '\nexport const late = Date.now()\n')
  const { status, stdout } = run()
  assert.equal(status, 1)
  assert.match(stdout, /^src\/cache\/late\.ts:2: Date\.now is banned here: take a Clock .*\ntidy: 1 faults in 1 of 2 files/)
})
