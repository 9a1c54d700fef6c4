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
