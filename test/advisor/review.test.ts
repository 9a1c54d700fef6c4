/** Indexes that are needless, unused, or missing under a foreign key: told apart by what Postgres' catalogue says of each. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { review } from '../../src/ops/index.ts'
import { advised } from './support.ts'

test('what another index makes needless: the same, or a beginning; never one that keeps a rule, holds other rows, or another order', async (context) => {
  const { client } = await advised(context, `
    create table things(id int primary key, a int, b int, c text, d text, e jsonb, unique (a, b));
    create index same_one on things (b, c); create index same_two on things (b, c);
    create index prefix on things (b);                        -- of same_one
    create index prefix_of_unique on things (a);              -- of the constraint's
    create unique index unique_prefix on things (d);          -- keeps a rule that (d, c) does not
    create index wider on things (d, c);
    create index twin_of_primary on things (id);
    create index partial on things (b, c) where a > 0; create index partial_same on things (b, c) where a > 0; create index partial_other on things (b, c) where a > 1;
    create index backwards on things (b desc, c desc nulls last); -- not the reverse of (b, c): nulls
    create index reverse on things (b desc, c desc);          -- is
    create index mixed on things (b, c desc);
    create index lower_c on things (lower(c)); create index lower_c_b on things (lower(c), b); create index upper_c on things (upper(c));
    create index pattern on things (c text_pattern_ops); create index plain on things (c);
    create index with_more on things (b, c) include (d); create index hashed on things using hash (b);
    create table parts(id int, day date) partition by range (day); create table parts_1 partition of parts for values from ('2024-01-01') to ('2025-01-01'); create index parts_one on parts (day); create index parts_two on parts (day);
    create index json_one on things using gin (e); create index json_two on things using gin (e); create index json_path on things using gin (e jsonb_path_ops);`)
  const { duplicates } = await review(client, { usedBy: [client] })
  const pairs = Object.fromEntries(duplicates.map(({ index, servedBy }) => [index, servedBy]))
  assert.deepEqual(Object.keys(pairs).toSorted(), ['json_two', 'lower_c', 'partial_same', 'parts_two', 'prefix', 'prefix_of_unique', 'reverse', 'same_one', 'same_two', 'twin_of_primary'], JSON.stringify(pairs))
  assert.deepEqual([pairs['twin_of_primary'], pairs['prefix_of_unique'], pairs['lower_c'], pairs['partial_same'], pairs['json_two']], ['things_pkey', 'things_a_b_key', 'lower_c_b', 'partial', 'json_one'])
  for (const { index, sql } of duplicates) {
    assert.equal(sql, `drop index ${index === 'parts_two' ? '' : 'concurrently '}${index}`)
    await client.query(`drop index ${index}`)
  }
  // All of them together may go: none was served by another that goes too.
  assert.deepEqual((await review(client, { usedBy: [client] })).duplicates, [])
})

test('what nobody uses: counted, and never what keeps a rule up or serves a foreign key', async (context) => {
  const { client } = await advised(context, `
    create table parents(id int primary key, code text unique, spare int, used int, other int);
    create table children(id int primary key, parent int references parents, note text, span int4range, exclude using gist (span with &&));
    insert into parents select g, 'c' || g, g, g, g from generate_series(1, 2000) g;
    create index used on parents (used); create index spare on parents (spare); create unique index rule on parents (other); create index of_key on children (parent);
    create table identified(id int not null, note text); create unique index identity on identified (id); alter table identified replica identity using index identity;`)
  await client.query('set enable_seqscan = off; select * from parents where used = 7; reset enable_seqscan; select pg_stat_force_next_flush()')
  const { unused } = await review(client, { usedBy: [client] })
  assert.deepEqual(unused.map(({ index, table, sql }) => [index, table, sql]), [['spare', 'parents', 'drop index concurrently spare']])
  assert.match(unused[0]?.says ?? '', /No statement has used it in the less than a day that are counted; it takes \d+ kB.*That is too short to be sure/)
  assert.deepEqual((await review(client, { usedBy: undefined })).unused, [])
})

test('foreign keys without an index: any order of a composite one serves, a partial index or one that begins otherwise does not', async (context) => {
  const { client, ask } = await advised(context, `
    create table parents(a int, b int, id int unique, primary key (a, b)); create table self(id int primary key, up int references self);
    create table bare(id int primary key, parent int references parents (id) on delete cascade);
    create table indexed(parent int references parents (id)); create index on indexed (parent, ctid);
    create table hashed(parent int references parents (id)); create index on hashed using hash (parent);
    create table partly(parent int references parents (id)); create index on partly (parent) where parent > 5;
    create table later(x int, parent int references parents (id)); create index on later (x, parent);
    create table pair(x int, b int, a int, foreign key (a, b) references parents); create index on pair (b, a, x);
    create table half(a int, b int, foreign key (a, b) references parents); create index on half (a);
    insert into parents select g, g, g from generate_series(1, 20000) g; insert into bare select g, g from generate_series(1, 20000) g;`.replace('(parent, ctid)', '(parent)'))
  const { foreignKeys } = await review(client, { usedBy: undefined })
  assert.deepEqual(foreignKeys.map(({ table, columns }) => [table, columns.join()]), [['bare', 'parent'], ['half', 'a,b'], ['later', 'parent'], ['partly', 'parent'], ['self', 'up']])
  const [bare] = foreignKeys
  assert.equal(bare?.sql, 'create index concurrently bare_parent_idx on bare (parent)')
  assert.match(bare?.says ?? '', /^Each row that is deleted from parents \(and takes its rows here along\), or whose key changes, reads all of bare \(20,000 rows, \d+ kB\)/)
  const { proposals } = await ask(bare?.probe ?? '')
  assert.equal(proposals[0]?.sql, bare?.sql)
  assert.ok((proposals[0]?.timeRatio ?? 0) > 5)
})
