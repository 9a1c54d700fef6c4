/** Fifteen statements whose plans were measured, with the index that each had and without: what is advised, and what is not. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { advised, plansSchema, sqlsOf } from './support.ts'

interface Row { id: string; index_present: string | null; query: string; uses_that_index: boolean | null }

/** What is to be advised with the row's index there, and with none. `rewrite`: to say it otherwise; the index that then serves, if it is missing. */
const wanted: Record<string, { with?: readonly string[]; without: readonly string[]; rewrite?: RegExp; why?: RegExp }> = {
  'eq-no-index': { without: ['orders (user_id)'] },
  'func-on-column-expr-index': { with: [], without: ['users (lower(email))'] },
  'like-infix-btree': { with: ['users using gin (email gin_trgm_ops)'], without: ['users using gin (email gin_trgm_ops)'], why: /no btree index serves/ },
  'cast-on-column': { with: [], without: ['orders (user_id)'], rewrite: /write user_id = '42'::bigint: user_id is bigint, and is turned into text/, why: /it holds user_id, and the statement asks for/ },
  'composite-nonleading': { with: [], without: ['orders (user_id)'] }, // Postgres 18 skips through the four states
  'high-selectivity-same-index': { with: [], without: [], why: /users_pkey finds the rows with less work/ },
  'or-two-indexed': { with: [], without: ['orders (user_id)', 'orders (created_at)'] },
  'order-limit-index': { with: [], without: ['orders (created_at)'] },
  'mixed-sort-direction': { with: [], without: ['orders (user_id, created_at desc)'] },
  'keyset': { with: [], without: ['orders (created_at, id)'] },
  'neq': { with: [], without: [], why: /nearly every row/ },
  'jsonb-arrow-gin': { with: [`users ((meta ->> 'k'::text))`], without: [`users ((meta ->> 'k'::text))`], why: /a gin index serves containment/ },
  'join-fk-no-index': { without: ['orders (user_id)'] },
  'hash-index-range': { with: ['orders (user_id)'], without: ['orders (user_id)'], why: /equality only/ },
  'date-trunc': { with: [], without: ['orders (created_at)'], rewrite: /created_at >= '2024-02-01[^']*'::timestamp with time zone and created_at < .* \+ interval '1 day'/, why: /it holds created_at/ },
}

test('what is advised is what was measured to serve, and the planner is right about what is there', async (context) => {
  const { client, ask } = await advised(context, plansSchema)
  const rows = readFileSync(new URL('./index-plans.jsonl', import.meta.url), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Row)
  assert.deepEqual(rows.map(({ id }) => id).toSorted(), Object.keys(wanted).toSorted())
  for (const { id, index_present: present, query, uses_that_index: uses } of rows) {
    const expected = wanted[id]
    const advice = async (missing: readonly string[] | undefined) => {
      const answer = await ask(query)
      const proposals = expected?.rewrite ? answer.rewrites[0]?.proposals ?? [] : answer.proposals
      assert.deepEqual(sqlsOf({ proposals }), missing, `${id}: ${answer.says} ${JSON.stringify(answer.tried)}`)
      assert.equal(answer.verdict, expected?.rewrite ? 'rewrite' : proposals.length > 0 ? 'index' : 'none', id)
      if (expected?.rewrite) assert.match(answer.says, expected.rewrite, id)
      for (const one of proposals) assert.ok(one.costRatio >= 2 && (one.timeRatio ?? 0) > 1 && one.sizeBytes > 0 && /Every insert/.test(one.writes), `${id}: ${JSON.stringify(one)}`)
      return answer
    }
    await advice(expected?.without)
    if (present === null) continue
    await client.query(`${present}; analyze`)
    const names = [...present.matchAll(/index (\w+)/g)].map(([, name]) => name)
    const answer = await advice(expected?.with)
    assert.equal(names.every((name) => answer.before?.indexesUsed.includes(name as string)), uses, `${id}: ${answer.before?.indexesUsed.join()}`)
    if (expected?.why) assert.match(answer.notServing.find(({ index }) => names.includes(index))?.why ?? '', expected.why, id)
    await client.query(names.map((name) => `drop index ${name}`).join('; '))
  }
})

test('more of what is asked of tables: each with the least index that serves, or why there is none', async (context) => {
  const { ask } = await advised(context, plansSchema)
  for (const [query, indexes, says] of [
    [`select * from users where phone = '1000077'`, ['users (phone)']], // varchar, and no cast
    [`select * from users where phone like '10007%'`, ['users (phone text_pattern_ops)']],
    [`select * from users where email ilike 'user42%'`, ['users using gin (email gin_trgm_ops)']],
    [`select * from users where meta @> '{"k": 77}'`, ['users using gin (meta jsonb_path_ops)']],
    [`select * from users where age = 30 and org_id = 10 and created_at > '2024-03-01'`, ['users (org_id, age)']],
    [`select * from orders where user_id < 2000 and state = 'paid' order by created_at limit 5`, ['orders (state, created_at)']],
    [`select max(total) from orders where state = 'void'`, ['orders (state, total)']],
    [`select * from users where deleted_at is not null and status = 'banned'`, ['users (status) where deleted_at IS NOT NULL']],
    [`select * from orders o join users u on u.id = o.user_id where u.email = 'User42@ex.com'`, ['orders (user_id)', 'users (email)']], // neither serves alone
    [`select u.email, (select count(*) from orders o where o.user_id = u.id) from users u where u.id in (7, 9)`, ['orders (user_id)']],
    ['update orders set note = $1 where user_id = $2', ['orders (user_id)']],
    ['select * from orders where user_id = any($1)', ['orders (user_id)']],
    ['select * from orders where created_at > $1 order by created_at limit $2', ['orders (created_at)']],
    ['select count(*) from orders', [], /It wants 40,000 of the 40,000 rows of orders \(100 %\)/],
    [`select * from users where email like '%4%'`, [], /It wants|No index helps/],
    ['select * from users where id = $1', [], /served by users_pkey already/],
    ['insert into orders values ($1, $2)', [], /next to nothing/],
    ['select * from nowhere', [], /It cannot be planned: relation "nowhere" does not exist\./],
    ['select wrong syntax from', [], /It cannot be planned: syntax error/],
  ] as const satisfies [string, string[], RegExp?][]) {
    const answer = await ask(query)
    assert.deepEqual(sqlsOf(answer).toSorted(), indexes, `${query}: ${answer.says} ${JSON.stringify(answer.tried)}`)
    if (says) assert.match(answer.says, says, query)
  }
})
