-- How tables change while they are used (docs/guides/migrations.md).

-- The processes that run now, and the migration files that each was built with.
create table versions (
  process uuid primary key,
  version text not null,
  files text[] not null,
  host text not null,
  pid integer not null,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
);

-- Files that took something away: a version that does not know them still uses it, and is not started any more.
create table contracts (
  module text not null,
  file text not null,
  applied_at timestamptz not null default now(),
  primary key (module, file)
);

-- How far a file is that is more than one transaction: statements done, or rows of a backfill, up to this key.
create table unfinished (
  module text not null,
  file text not null,
  checksum text not null,
  statements integer not null default 0,
  -- The statement behind them was begun, and may have been done.
  begun boolean not null default false,
  key text[],
  rows bigint not null default 0,
  updated_at timestamptz not null default now(),
  primary key (module, file)
);
