create table payments (
  order_id uuid primary key,
  amount bigint not null,
  outcome text not null check (outcome in ('paid', 'declined'))
);
