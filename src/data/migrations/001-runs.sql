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
create index runs_due on runs (priority, due_at) where due_at is not null and (deaths = 0 or kind = 'action');
create index runs_suspect on runs (due_at) where due_at is not null and deaths > 0 and kind = 'job';
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
  died_at timestamptz not null,
  -- Of a run, as it was: one that is tried again is the same, and makes the same ids.
  fingerprint text,
  caller jsonb,
  priority smallint,
  started_at timestamptz,
  give_up_at timestamptz,
  traceparent text
);

-- When each scheduled job was last enqueued.
create table schedules (name text primary key, last_at timestamptz not null);

-- Ends a transaction whose writer is no longer the owner of what it writes for: owned is how many rows were still its own.
create function require_owner(owned bigint, what text) returns void language plpgsql as $$
begin
  if owned = 0 then raise exception 'not the owner of % any more', what using errcode = 'TF001'; end if;
end $$;
