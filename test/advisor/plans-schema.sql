-- The tables of index-plans.jsonl, with a tenth of their rows: what Postgres decides is the same.
select setseed(0.42);
create table users(id bigint primary key, email text, org_id bigint, status text, created_at timestamptz, deleted_at timestamptz, meta jsonb, age int, phone varchar(20));
insert into users select g, 'User'||g||'@ex.com', g%500, case when g%50=0 then 'banned' else 'active' end, '2024-01-01'::timestamptz+g*interval '10 minutes', case when g%200=0 then now() end, jsonb_build_object('k', g%1000, 't', md5(g::text)), 20+g%60, (1000000+g)::text from generate_series(1, 20000) g;
create table orders(id bigint primary key, user_id bigint references users(id), total numeric, state text, created_at timestamptz, note text);
insert into orders select g, 1+(g::bigint*7919)%20000, g%1000, (array['new', 'paid', 'shipped', 'void'])[1+g%4], '2024-01-01'::timestamptz+g*interval '5 minutes', 'n'||g from generate_series(1, 40000) g;
