import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applicationFolder, tenfoldIn } from '../../test/support/application.ts'
import { appDefinition, defineApp, defineModule, t } from '../app/index.ts'
import { remarks } from './check.ts'

interface Tables { rows: { id: string; owner: string } }

test('refusals are told with their reason, and one without a reason is a fault; so is what cannot be split told', () => {
  const whole = defineModule<Tables>()('whole', { migrations: new URL('./none/', import.meta.url) })
  const split = defineModule<Tables>()('split', { migrations: new URL('./none/', import.meta.url), shardKey: 'owner' })
  const nothing = { input: t.Object({}), output: t.Integer() }
  for (const [name, none] of [['why', 'a minute old will do'], ['empty', ' '], ['short', 'n/a'], ['dots', '. . . .']] as const) {
    whole.query(name, { ...nothing, cache: { ttl: '1s', invalidatedBy: { none } } }).handle(async () => 1)
    whole.action(`${name}Act`, { ...nothing, backstop: { none } }).handle(async () => 1)
  }
  const service = whole.dependency('service', { timeout: '1s', config: [] })
  service.operation('ask', nothing).handle(async () => 1).fallback({ none: 'no' })
  split.query('sum', { ...nothing, shardKey: 'all', merge: () => 1 }).handle(async () => 1)
  split.query('one', { input: t.Object({ owner: t.String() }), output: t.Integer() }).handle(async () => 1)
  const told = remarks(appDefinition(defineApp('told', { modules: [whole, split], routes: [] }))).map(({ kind, where, message }) => `${kind} ${where} ${message}`)
  assert.deepEqual(told, [
    'note whole has no shardKey: its rows stay on one database at every stage',
    'note whole.why is cached, and no event makes it wrong: a minute old will do',
    'note whole.whyAct has no backstop: a minute old will do',
    'fault whole.empty is cached, and no event makes it wrong, and says no reason: say in a few words why that is right',
    'fault whole.emptyAct has no backstop, and says no reason: say in a few words why that is right',
    'fault whole.short is cached, and no event makes it wrong, and says "n/a" for a reason: say in a few words why that is right',
    'fault whole.shortAct has no backstop, and says "n/a" for a reason: say in a few words why that is right',
    'fault whole.dots is cached, and no event makes it wrong, and says no reason: say in a few words why that is right',
    'fault whole.dotsAct has no backstop, and says no reason: say in a few words why that is right',
    'fault whole.ask has no fallback, and says "no" for a reason: say in a few words why that is right',
    'note split.sum asks every shard, and is as slow as the slowest of them',
  ])
})

const query = `query('NAME', { input: t.Object({}), output: t.Integer() }).handle(async () => 1)`
const application = {
  'package.json': '{ "type": "module" }',
  'module.ts': `import { defineModule } from 'tenfold'\nexport const things = defineModule()('things', { migrations: new URL('./none/', import.meta.url) })\nexport default things\n`,
  'reached.ts': `import { t } from 'tenfold'\nimport { things } from './module.ts'\nthings.${query.replace('NAME', 'reached')}\n`,
  'app.ts': `import { defineApp } from 'tenfold'\nimport { things } from './module.ts'\nimport './reached.ts'\nexport const app = defineApp('small', { modules: [things], routes: [] })\n`,
  'tenfold.config.ts': `import { defineConfig } from 'tenfold/config'\nimport { app } from './app.ts'\nexport default defineConfig({ app, topology: { stage: 'single' } })\n`,
}
const harmless = {
  'commented.ts': `import { things } from './module.ts'\n// things.query('old', {})\n/* things.on(a,\n 'b') */\nexport const url = 'http://elsewhere' /* ' */\nexport { things }\n`,
  'types.ts': `import type { things } from './module.ts'\nexport type Things = typeof things\n`,
  'script.ts': `import { app } from './app.ts'\nimport { things as mine } from './module.ts'\nconst other = { things: { query(_: string) {} } }\nother.things.query(app.name + mine.name)\n`,
  'text.ts': "import { things } from './module.ts'\nexport const text = `import { things } from './module.ts'\\nthings.query('x', {}) ${'things.on('}`\nexport { things }\n",
  'expression.ts': `import { things } from './module.ts'\nexport const quotes = [/['"\`]/, /things.query('x')/, 'things.query(', things.name]\n`,
  'hidden.ts': `import { things } from './module.ts'\ninterface Way { query(name: string): void }\nexport const use = (things: Way) => things.query('x')\nexport function each(ways: Way[]) { for (const things of ways) { things.query('y') } try { use(ways[0]!) } catch (things: any) { things.on() } }\n{ const things = each([]) as unknown as Way; things.query('z') }\nexport { things }\n`,
  'all-types.ts': `import { type things } from './module.ts'\nimport type * as all from './module.ts'\ndeclare const it: typeof things & typeof all.things\nexport const use = () => it.query('x' as never, {} as never)\n`,
  'things.test.ts': `import { things } from './module.ts'\nthings.query('tested', {})\n`,
  'node_modules/lib/index.ts': `import { things } from '../../module.ts'\nthings.query('far', {})\n`,
}

test('a file that defines something and is never imported is a fault; one that only looks like it is none', async (context) => {
  const clean = await applicationFolder(context, { ...application, ...harmless })
  assert.deepEqual(await tenfoldIn(clean, ['check']), { code: 0, output: 'note  things  has no shardKey: its rows stay on one database at every stage\nsmall: no faults, 1 note\n', errors: '' })

  const forgetful = await applicationFolder(context, {
    ...application, ...harmless,
    'deep/forgotten.ts': `import {\n  things as mine,\n} from '../module.ts'\nimport { t } from "tenfold"\nmine\n  .${query.replace('NAME', 'one')}\nmine.event('thing.done', t.Object({}))\n`,
    'all.ts': `import * as all from './module.ts'\nimport { t } from 'tenfold'\nall.things.${query.replace('NAME', 'two')}\n`,
    'single.ts': `import things from './module.ts'\nthings.on(null as never, 'name', {}, async () => {})\n`,
    'index.ts': `export { things as goods } from './module.ts'\nexport * as all from './module.ts'\nexport * from './circle.ts'\n`,
    'circle.ts': `import { goods } from './index.ts'\nexport { goods as again } from './index.ts'\nexport const known = goods\n`,
    'through-index.ts': `import { t } from 'tenfold'\nimport { goods as mine, all, again, known } from './index.ts'\nmine.${query.replace('NAME', 'three')}\nall['things'].lookup('four', {})\nagain?.command('five', {}); (known as any)!.job('six', {})\n`,
    'renamed.ts': `import { things } from './module.ts'\nconst quote = /'/ // it's\nexport const later = () => mine.action('seven', {} satisfies object)\nconst mine = things, { event } = mine\nevent('thing.renamed', null)\n`,
    'lazy.ts': `const { things: { dependency } } = await import('./module.ts')\nexport const service = dependency('service', {});\n(await import('./module.ts')).things.projection('eight', {})\n`,
    'plain.js': `import * as tenfold from 'tenfold'\ntenfold.defineModule()('plain', {})\n`,
    'broken.ts': `import { things } from './module.ts'\nexport const nine = = 9\n`,
    'audit/module.ts': `import { defineModule } from 'tenfold'\nexport const audit = defineModule<object>()('audit', { migrations: new URL('./none/', import.meta.url) })\n`,
  })
  const { code, output, errors } = await tenfoldIn(forgetful, ['check', '--json'])
  const advice = 'and no file of the application imports it: import it where the application is defined, or delete it'
  assert.deepEqual([code, errors, JSON.parse(output)], [1, '', {
    faults: [
      { where: 'all.ts', message: `calls things.query, ${advice}` },
      { where: 'deep/forgotten.ts', message: `calls things.query, things.event, ${advice}` },
      { where: 'lazy.ts', message: `calls things.dependency, things.projection, ${advice}` },
      { where: 'renamed.ts', message: `calls things.action, things.event, ${advice}` },
      { where: 'single.ts', message: `calls things.on, ${advice}` },
      { where: 'through-index.ts', message: `calls things.query, things.lookup, things.command, things.job, ${advice}` },
    ],
    notes: [
      { where: 'audit/module.ts', message: 'makes a module of its own, and no file of the application imports it' },
      { where: 'broken.ts', message: 'cannot be read, and no file of the application imports it: Expression expected' },
      { where: 'plain.js', message: 'makes a module of its own, and no file of the application imports it' },
      { where: 'things', message: 'has no shardKey: its rows stay on one database at every stage' },
    ],
  }])
})
