create table orders (
  bucket smallint not null,
  customer_id uuid not null,
  id uuid not null,
  status text not null check (status in ('pending', 'processing', 'paid', 'declined')),
  total bigint not null check (total >= 0),
  placed_at timestamptz not null,
  primary key (bucket, customer_id, id)
);
create index orders_newest on orders (bucket, customer_id, placed_at desc, id desc);

create table order_lines (
  bucket smallint not null,
  customer_id uuid not null,
  order_id uuid not null,
  position integer not null,
  product_id uuid not null,
  quantity integer not null,
  price bigint not null,
  primary key (bucket, customer_id, order_id, position),
  foreign key (bucket, customer_id, order_id) references orders (bucket, customer_id, id)
);
