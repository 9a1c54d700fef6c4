import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, customer, type Order, products, setGateway } from './client.ts'
import { processesOf } from './processes.ts'
import { command, dataDirectory, finished, startShop, until } from './shop.ts'
import { sql } from './sql.ts'

/** One command line to its end. Nothing that it says is a stack trace. */
async function outcome(directory: string, args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await finished(await command(directory, args))
  assert.doesNotMatch(stdout + stderr, /^\s+at .*[:/]|node:internal|Error:/m)
  return { code, stdout, stderr }
}

test('the command line teaches, refuses in a sentence, and answers with exit codes that scripts can trust', async (context) => {
  const directory = await dataDirectory(context)
  const say = (...args: string[]) => outcome(directory, args)
  const help = await say('--help')
  assert.deepEqual([help.code, help.stderr], [0, ''])
  for (const word of ['tenfold new', 'tenfold dev', 'tenfold start', 'tenfold migrate --dry-run', 'tenfold rebuild', 'tenfold routes', 'tenfold check', 'tenfold topology', '--config', 'Exit codes']) assert.ok(help.stdout.includes(word), word)
  assert.deepEqual(await say(), { ...help, code: 2 })
  for (const [name, words] of [['start', '--data FILE'], ['migrate', '--dry-run']] as const) {
    const page = await say(name, '--help')
    assert.deepEqual([page.code, page.stderr, page.stdout.includes(words)], [0, '', true], name)
  }
  for (const name of ['strat', 'constructor']) assert.deepEqual(await say(name), { code: 2, stdout: '', stderr: `tenfold: There is no command "${name}": use new, dev, start, up, down, ps, logs, migrate, rebuild, routes, check, runs, dead, db, backup, restore, drill, topology, or tenfold --help.\n` })
  // A slip must not do what was not asked for: `migrate --dryrun` is no migration.
  for (const wrong of [['--config', 'nowhere.ts', 'topology'], ['migrate', '--dryrun'], ['start', '--dta', 'x.csv'], ['topology', 'extra'], ['rebuild'], ['rebuild', 'one', 'two'], ...['topology', 'db top', 'backup list', 'ps', 'dev'].map((line) => ['--topology', 'nowhere.json', ...line.split(' ')])]) {
    const refused = await say(...wrong)
    assert.deepEqual([refused.code, refused.stdout], [2, ''], `${wrong.join(' ')}: ${refused.stderr}`)
    assert.match(refused.stderr, /^tenfold: [^\n]+\.\n$/, wrong.join(' '))
  }
  const routes = await say('routes')
  assert.deepEqual([routes.code, routes.stderr], [0, ''])
  assert.match(routes.stdout, /^METHOD {2,}PATH {2,}AUTH [^]*\nPOST {2,}\/v1\/orders {2,}signed in {2,}orders\.checkout {2,}action {2,}required {2,}\S[^\n]*\n/)
  const rows = JSON.parse((await say('routes', '--json')).stdout) as { path: string }[]
  assert.equal(rows.length, routes.stdout.trim().split('\n').length - 1)
  for (const config of [['--config=examples/shop/tenfold.config.ts'], ['--config', 'examples/shop/tenfold.config.ts'], ['--quiet']]) assert.deepEqual(await say('ps', ...config, '--json'), { code: 1, stdout: '[]\n', stderr: '' }, config.join(' '))
  const checked = await say('check')
  assert.deepEqual([checked.code, checked.stderr], [0, ''])
  assert.match(checked.stdout, /^(note {2}.*\n)+shop: no faults, \d+ notes\n$/)
  const topology = await say('topology')
  assert.deepEqual([topology.code, topology.stderr], [0, ''])
  assert.match(topology.stdout, /^shop: stage 1 of 7, single [^]*\nvalid\n$/)
  const file = join(directory, '../topology.json')
  for (const [text, code, sentence] of [['"x"', 2, /holds no topology: it is "x", and must be/], ['[]', 2, /holds no topology: it is a list/], ['null', 2, /holds no topology: it is null/], ['{"stage":"nope"}', 1, /^shop: no stage\n[^]*\n {2}stage must be one of .*"nope"$/m]] as const) {
    await writeFile(file, text)
    const { stdout, stderr, ...refused } = await say('--topology', file, 'topology')
    assert.deepEqual([refused.code, sentence.test(stdout + stderr), (stdout + stderr).includes('undefined')], [code, true, false], stdout + stderr)
  }
  const read = await say('topology', '--json')
  const { topology: { stage, data }, faults } = JSON.parse(read.stdout) as { topology: { stage: string; data: string }; faults: unknown[] }
  assert.deepEqual([read.code, read.stderr, stage, data, faults], [0, '', 'single', directory, []])
})

test('a dry run applies nothing, a migration everything, once; a file of products that cannot be read is refused; then a start is whole', async (context) => {
  const directory = await dataDirectory(context)
  const tried = await outcome(directory, ['migrate', '--dry-run'])
  assert.equal(tried.code, 0, tried.stderr)
  assert.match(tried.stdout, /^would apply {2}tenfold\/001-runs\.sql\n(would apply .*\n)+\d+ files, rolled back\n$/)
  const real = await outcome(directory, ['migrate'])
  assert.deepEqual([real.code, real.stdout], [0, tried.stdout.replaceAll('would apply', 'applied').replace(', rolled back', '')])
  const again = await outcome(directory, ['migrate'])
  assert.deepEqual([again.code, again.stdout, await processesOf(directory)], [0, 'nothing to apply\n', []])

  for (const file of ['/nowhere/file.csv', join(import.meta.dirname, 'shop.ts')]) {
    const { code, stdout, stderr } = await outcome(directory, ['start', '--data', file])
    assert.deepEqual([code, stdout, await processesOf(directory)], [1, '', []], stderr)
    assert.match(stderr, /^tenfold: [^\n]*\w\.\n/m)
  }
  const shop = await startShop(directory)
  assert.doesNotMatch(shop.stderr(), /migrating/)
  assert.match(shop.stderr(), /filling the catalogue: 2000 products/)
})

test('a projection is rebuilt beside the running shop, or without it; a name that is none, and a place without a database, are refused', async (context) => {
  const directory = await dataDirectory(context)
  const nowhere = await outcome(directory, ['rebuild', 'catalogue.bestSellers'])
  assert.deepEqual([nowhere.code, nowhere.stdout], [1, ''])
  assert.match(nowhere.stderr, /^tenfold: There is no database in [^\n]+\.\n$/)
  const shop = await startShop(directory)
  const { token } = await customer(shop, 'ann@example.com')
  const product = (await products(shop, 100)).find(({ stock }) => stock > 10)
  const order = await ask<Order>(`${shop.urls.web}/v1/orders`, { method: 'POST', token, key: 'one', body: { items: [{ productId: product?.id, quantity: 3 }] } })
  assert.equal(order.body.status, 'paid')
  const sold = async () => (await sql<{ units: string }>(directory, 'select units from catalogue.best_sellers')).map(({ units }) => Number(units))
  await until('it is counted', async () => (await sold()).join() === '3')
  const wrong = await outcome(directory, ['rebuild', 'catalogue.bestSeller'])
  assert.deepEqual(wrong, { code: 2, stdout: '', stderr: 'tenfold: shop has no projection "catalogue.bestSeller": it has catalogue.bestSellers.\n' })
  await sql(directory, 'update catalogue.best_sellers set units = 99')
  const beside = await outcome(directory, ['rebuild', 'catalogue.bestSellers'])
  assert.deepEqual(beside, { code: 0, stdout: 'catalogue.bestSellers is empty, and takes its events again\n', stderr: '' })
  await until('it is counted again', async () => (await sold()).join() === '3')
  process.kill(shop.pid, 'SIGTERM')
  assert.equal((await finished(shop)).code, 0)
  const without = await outcome(directory, ['rebuild', 'catalogue.bestSellers'])
  assert.deepEqual([without, await processesOf(directory)], [{ code: 0, stdout: 'catalogue.bestSellers is empty, and will take its events again at the next start\n', stderr: '' }, []])
  await startShop(directory)
  await until('it is counted once more', async () => (await sold()).join() === '3')
})

test('runs and dead: what waits and what gave up is listed, shown, tried again, and discarded', async (context) => {
  const directory = await dataDirectory(context)
  const shop = await startShop(directory)
  const say = (...args: string[]) => outcome(directory, args)
  assert.deepEqual([await say('dead'), await say('runs')].map(({ code, stdout }) => [code, stdout]), [[0, 'nothing is dead\n'], [0, 'nothing is under way\n']])
  const { token } = await customer(shop, 'ann@example.com')
  const product = (await products(shop, 100)).find(({ stock }) => stock > 10)
  await setGateway(shop, 'down')
  const order = await ask<Order>(`${shop.urls.web}/v1/orders`, { method: 'POST', token, key: 'one', body: { items: [{ productId: product?.id, quantity: 3 }] } })
  assert.equal(order.body.status, 'processing')
  const [run] = JSON.parse((await say('runs', '--json')).stdout) as { id: string; name: string; state: string }[]
  assert.deepEqual([run?.name, run?.state], ['orders.checkout', 'unfinished'])
  assert.match((await say('runs')).stdout, new RegExp(`^ID +NAME +STATE +TRIES +DUE +LAST ERROR\\n${run?.id} +orders.checkout +unfinished +\\d+ +2`))
  const shown = JSON.parse((await say('runs', 'show', run?.id ?? '')).stdout) as { input: { customerId: string }; steps: { step: string }[] }
  assert.ok(shown.input.customerId && shown.steps.some(({ step }) => step === 'catalogue.reserve'))
  // Given up: the stock comes back, and the order is declined.
  const discarded = await say('runs', 'discard', run?.id ?? '')
  assert.deepEqual([discarded.code, discarded.stdout], [0, `${run?.id} is given up, and undone when a worker next looks\n`])
  await until('it is declined', async () => (await ask<Order>(`${shop.urls.web}/v1/orders/${order.body.id}`, { token })).body.status === 'declined')

  // A job and an event that gave up, as they stand in the table then.
  await setGateway(shop, 'none')
  const paid = await ask<Order>(`${shop.urls.web}/v1/orders`, { method: 'POST', token, key: 'two', body: { items: [{ productId: product?.id, quantity: 1 }] } })
  const sold = () => sql<{ units: string }>(directory, 'select units from catalogue.best_sellers')
  await until('it is counted, and its mail sent', async () => (await sold()).length === 1 && (await sql(directory, 'select from tenfold.runs where due_at is not null')).length === 0)
  await sql(directory, `insert into tenfold.dead (id, bucket, kind, name, input, reason, tries, died_at, fingerprint, priority, started_at)
    select '00000000-0000-8000-8000-000000000001', 0, 'job', 'notifications.confirm', jsonb_build_object('orderId', '${paid.body.id}', 'customerId', customer_id, 'total', total), 'the mail server said no', 12, now(), '', 5, now() from orders.orders where id = '${paid.body.id}'`)
  await sql(directory, `insert into tenfold.dead (id, bucket, kind, name, input, reason, tries, died_at) select '00000000-0000-8000-8000-000000000002', 0, 'event', 'notifications.confirmation', jsonb_build_object('event', event, 'seq', seq), 'poisoned', 10, now() from tenfold.outbox where event = 'orders.order.paid'`)
  const dead = JSON.parse((await say('dead', '--json')).stdout) as { id: string; reason: string }[]
  assert.deepEqual(dead.map(({ reason }) => reason).toSorted(), ['poisoned', 'the mail server said no'])
  const mails = async () => (await ask<{ subject: string }[]>(`${shop.urls.ops}/mails`)).body.filter(({ subject }) => subject.includes(paid.body.id)).length
  const before = await mails()
  for (const { id } of dead) assert.deepEqual(await say('dead', 'retry', id), { code: 0, stdout: `${id} is alive again\n`, stderr: '' })
  await until('the mail goes out again', async () => await mails() > before)
  await until('and nothing is left', async () => (await sql(directory, 'select from tenfold.dead union all select from tenfold.parked')).length === 0)
  const gone = await say('dead', 'discard', '00000000-0000-8000-8000-000000000001')
  assert.deepEqual([gone.code, gone.stderr], [2, 'tenfold: There is no 00000000-0000-8000-8000-000000000001: the list shows what there is.\n'])
  for (const wrong of [['runs', 'shoe', 'x'], ['runs', 'show'], ['dead', 'retry', 'x'], ['runs', '--limit', '0']]) {
    const refused = await say(...wrong)
    assert.deepEqual([refused.code, refused.stdout], [2, ''], `${wrong.join(' ')}: ${refused.stderr}`)
  }
})
