/** Fifteen statements whose plans were measured, with the index that each had and without: what is advised, and what is not. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { advise, availableOn, leaveStanding, throwawayWorkshop } from '../../src/ops/index.ts'
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
    [`select * from users where status is distinct from 'active' and created_at < '2024-02-01'`, ['users (created_at) where status IS DISTINCT FROM \'active\'::text']],
    [`select * from users where phone::bigint = 1000009`, ['users ((CAST(phone AS bigint)))']], // '01000009' is that number too: it cannot be said otherwise
    [`select * from orders where user_id::text = '042'`, [], /No index helps/], // the text of no number
    [`select * from users where extract(hour from created_at) = 3`, [], /There can be no index on .*EXTRACT\(HOUR FROM created_at\).*: its value depends on the session's time zone/],
    [`select * from orders where created_at::date between '2024-02-01' and '2024-02-02'`, [], /^Instead of .* write created_at >= '2024-02-01'::date and created_at < '2024-02-02'::date \+ 1: .*\(and create the index that then serves: create index concurrently orders_created_at_idx/],
    [`select * from users where to_char(created_at, 'YYYY-MM') = '2024-02'`, [], /write created_at >= to_date\('2024-02', 'YYYY-MM'\) and created_at < to_date\('2024-02', 'YYYY-MM'\) \+ interval '1 month'/],
    [`select * from users where extract(year from created_at) = 2023`, [], /write created_at >= make_date\('2023'::int, 1, 1\) and/],
    [`select * from orders where user_id = $1 and created_at::date = $2`, ['orders (user_id)']],
    ['select * from nowhere', [], /It cannot be planned: relation "nowhere" does not exist\./],
    ['select wrong syntax from', [], /It cannot be planned: syntax error/],
  ] as const satisfies [string, string[], RegExp?][]) {
    const answer = await ask(query)
    assert.deepEqual(sqlsOf(answer).toSorted(), indexes, `${query}: ${answer.says} ${JSON.stringify(answer.tried)}`)
    if (says) assert.match(answer.says, says, query)
  }
})

test('of a partitioned table, and where row security holds statements to one bucket', async (context) => {
  const { client, ask } = await advised(context, `
    create table logs(id int, at date not null, who int) partition by range (at);
    create table logs_1 partition of logs for values from ('2024-01-01') to ('2024-07-01'); create table logs_2 partition of logs for values from ('2024-07-01') to ('2025-01-01');
    insert into logs select g, '2024-01-01'::date + g % 366, g % 5000 from generate_series(1, 60000) g;
    create table kept(bucket smallint not null default current_setting('tenfold.bucket')::smallint, id int, who int, note text, primary key (bucket, id));
    insert into kept select g % 4, g, g % 5000, repeat('n', 50) from generate_series(1, 60000) g;
    alter table kept enable row level security; create policy own on kept using (bucket = current_setting('tenfold.bucket')::smallint);
    create role keeper_${process.pid}; grant select on kept to keeper_${process.pid};`)
  const { proposals } = await ask('select * from logs where who = 7')
  assert.deepEqual(proposals.map(({ sql }) => sql), ['create index logs_who_idx on logs (who)'])
  assert.match(proposals[0]?.writes ?? '', /build it on each partition concurrently first/)

  const workshop = await throwawayWorkshop(client, { role: `keeper_${process.pid}`, searchPath: 'public', bucket: '2' })
  const held = await advise(workshop, { text: 'select note from kept where who = $1' }, await workshop.outside(() => availableOn(client, { sameCollation: true })))
  assert.deepEqual([held.verdict, held.before?.rowsActual, sqlsOf(held)], ['index', 12, ['kept (who, bucket)']], held.says)
  await leaveStanding(client)
  await client.query(`drop owned by keeper_${process.pid}; drop role keeper_${process.pid}`)
})
