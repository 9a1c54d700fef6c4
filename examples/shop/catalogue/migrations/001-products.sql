create extension if not exists pg_trgm with schema public;

create table products (
  id uuid primary key,
  sku text not null unique,
  name text not null,
  price bigint not null check (price >= 0),
  stock bigint not null check (stock >= 0),
  -- What a search looks through, in small letters.
  words text generated always as (lower(sku || ' ' || name)) stored
);
create index products_words on products using gin (words public.gin_trgm_ops);

create table reservations (
  id uuid not null,
  product_id uuid not null references products (id),
  quantity integer not null check (quantity > 0),
  primary key (id, product_id)
);

create table best_sellers (product_id uuid primary key, units bigint not null);

-- What the catalogue was filled from: one that was interrupted has no end, and is gone on with.
create table fills (source text primary key, finished_at timestamptz);
