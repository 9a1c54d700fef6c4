-- The platform's own tables, the same in every database: plain Postgres, so that one can leave with them.
-- `bucket` stands first in every primary key, beside the application's rows of that bucket.

-- What a run has already done: a step's answer, committed with the step. The row with step '' is the run's fence in this bucket:
-- the highest owner (epoch) that wrote here; an older one is refused.
create table records (
  bucket smallint not null,
  run uuid not null,
  step text not null,
  fingerprint text,
  answer jsonb,
  epoch integer not null default 0,
  expires_at timestamptz not null,
  primary key (bucket, run, step)
);
create index records_expires on records (expires_at);

-- Jobs, and actions that must end: what waits, what runs (until due_at, its lease), and what was answered.
create table runs (
  bucket smallint not null,
  id uuid not null,
  kind text not null check (kind in ('job', 'action')),
  name text not null,
  input jsonb not null,
  fingerprint text not null,
  caller jsonb,
  state text not null check (state in ('waiting', 'running', 'unfinished', 'done', 'undone')),
  answer jsonb,
  -- Why it was undone, where a refusal was the reason: a repeat is told the same.
  refusal jsonb,
  priority smallint not null default 5,
  due_at timestamptz,
  lease_until timestamptz,
  tries integer not null default 0,
  -- Owners that fell silent in the midst of it, since it last ended by itself.
  deaths integer not null default 0,
  epoch integer not null default 0,
  once text,
  started_at timestamptz not null,
  give_up_at timestamptz,
  expires_at timestamptz,
  last_error text,
  traceparent text,
  primary key (bucket, id)
);
create index runs_id on runs (id);
create index runs_due on runs (priority, due_at) where due_at is not null;
create index runs_expires on runs (expires_at) where expires_at is not null;
create unique index runs_once on runs (bucket, name, once) where once is not null and state = 'waiting';

-- What gave up, with its reason.
create table dead (
  id uuid primary key,
  bucket smallint not null,
  kind text not null check (kind in ('job', 'action', 'event')),
  name text not null,
  input jsonb not null,
  reason text not null,
  tries integer not null,
  died_at timestamptz not null
);

-- Facts, written last in the command that states them. A relay numbers a row after its commit: whoever reads in the order of `seq`
-- skips no transaction that committed late.
create table outbox (
  bucket smallint not null,
  id bigint generated always as identity,
  seq bigint,
  event text not null,
  key text,
  payload jsonb not null,
  at timestamptz not null,
  traceparent text,
  expires_at timestamptz not null,
  primary key (bucket, id)
);
create index outbox_unnumbered on outbox (id) where seq is null;
create unique index outbox_seq on outbox (seq);
create index outbox_expires on outbox (expires_at);
create sequence outbox_numbers;

-- How far each subscriber is; a projection that is rebuilt starts a new generation.
create table subscribers (
  name text primary key,
  position bigint not null default 0,
  generation integer not null default 0,
  replay_until bigint not null default 0,
  epoch integer not null default 0,
  lease_until timestamptz
);

-- Events that a subscriber failed on, and those of the same key behind them.
create table parked (
  subscriber text not null,
  seq bigint not null,
  key text not null,
  tries integer not null,
  due_at timestamptz not null,
  last_error text,
  primary key (subscriber, seq)
);
create index parked_key on parked (subscriber, key, seq);

-- When each scheduled job was last enqueued.
create table schedules (name text primary key, last_at timestamptz not null);

-- Files that a command has taken: what stands here is not collected.
create table files (sha256 text primary key, bytes bigint not null, referenced_at timestamptz not null);

-- Ends a transaction whose writer is no longer the owner of what it writes for: owned is how many rows were still its own.
create function require_owner(owned bigint, what text) returns void language plpgsql as $$
begin
  if owned = 0 then raise exception 'not the owner of % any more', what using errcode = 'TF001'; end if;
end $$;
