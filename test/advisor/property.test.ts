/** Whatever is asked: an index that is proposed is used when it is there, and halves the cost or the time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom, systemRandom } from '../../src/base/index.ts'
import { explain, indexesIn } from '../../src/ops/advisor/plan.ts'
import { advised, plansSchema } from './support.ts'

const seed = Number(process.env['TENFOLD_SEED'] ?? Math.floor(systemRandom.float() * 2 ** 31))

const conditions: Record<'users' | 'orders', ((random: Random) => string)[]> = {
  users: [
    (random) => `email = 'User${number(random, 20_000)}@ex.com'`, (random) => `lower(email) = 'user${number(random, 20_000)}@ex.com'`, (random) => `org_id = ${number(random, 500)}`, (random) => `age between ${number(random, 60)} and ${30 + number(random, 60)}`,
    () => `status = 'banned'`, () => `status <> 'banned'`, () => 'deleted_at is not null', () => 'deleted_at is null', (random) => `meta ->> 'k' = '${number(random, 1_000)}'`, (random) => `meta @> '{"k": ${number(random, 1_000)}}'`,
    (random) => `email like 'User${number(random, 100)}%'`, (random) => `email like '%${number(random, 10_000)}%'`, (random) => `phone = '${1_000_000 + number(random, 20_000)}'`, (random) => `created_at > '2024-01-01'::timestamptz + interval '${number(random, 3_000)} hours'`,
    (random) => `(created_at, id) > ('2024-03-01', ${number(random, 20_000)})`, (random) => `age in (${number(random, 80)}, ${number(random, 80)})`, (random) => `exists (select from orders o where o.user_id = users.id and o.total = ${number(random, 1_000)})`,
  ],
  orders: [
    (random) => `user_id = ${number(random, 20_000)}`, (random) => `state = '${['new', 'paid', 'lost'][number(random, 3)]}'`, (random) => `total < ${number(random, 1_000)}`, (random) => `user_id in (select id from users where org_id = ${number(random, 500)})`,
    (random) => `created_at between '2024-02-01' and '2024-02-${10 + number(random, 15)}'`, (random) => `(user_id = ${number(random, 20_000)} or total = ${number(random, 1_000)})`, (random) => `user_id::text = '${number(random, 20_000)}'`, () => `coalesce(note, '') = ''`,
  ],
}
const orders = { users: ['created_at desc', 'age, email', 'org_id, created_at desc', 'lower(email)'], orders: ['created_at', 'total desc, id', 'user_id, created_at desc'] }
function number(random: Random, below: number): number { return Math.floor(random.float() * below) }

function statement(random: Random): string {
  const table = random.float() < 0.6 ? 'users' : 'orders'
  const where = Array.from({ length: number(random, 4) }, () => conditions[table][number(random, conditions[table].length)]?.(random))
  const order = random.float() < 0.4 ? ` order by ${orders[table][number(random, orders[table].length)]} limit ${1 + number(random, 50)}` : ''
  return `select ${random.float() < 0.2 && order === '' ? 'count(*)' : '*'} from ${table}${where.length > 0 ? ` where ${where.join(' and ')}` : ''}${order}`
}

test('a proposal that the planner would not use is never made', async (context) => {
  context.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  const { client, ask } = await advised(context, plansSchema)
  let proposed = 0
  for (let nth = 0; nth < 12; nth++) {
    const text = statement(random)
    const { verdict, proposals, says } = await ask(text)
    assert.notEqual(verdict, 'unread', `${text}: ${says}`)
    if (proposals.length === 0) continue
    proposed++
    const before = await explain(client, { text, parameters: 0 }, { run: true })
    const names = proposals.map(({ sql }) => / (\w+) on /.exec(sql)?.[1] as string)
    for (const { sql, first, afterwards } of proposals) for (const one of [first, sql.replace(' concurrently', ''), afterwards]) if (one !== undefined) await client.query(one)
    const after = await explain(client, { text, parameters: 0 }, { run: true })
    await client.query(names.map((name) => `drop index ${name}`).join('; '))
    const inUse = indexesIn(after.plan)
    assert.ok(names.every((name) => inUse.includes(name)), `${text}: ${names.join()} of ${inUse.join()}`)
    assert.ok(before.cost / after.cost > 1.8 || (before.executionMs ?? 0) / (after.executionMs ?? 1) > 1.8, `${text}: ${before.cost} to ${after.cost}`)
  }
  context.diagnostic(`${proposed} of 12 have proposals`)
  assert.ok(proposed > 1)
})
