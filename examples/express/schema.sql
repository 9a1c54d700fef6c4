create table products (id integer primary key, name text not null, price integer not null);
create table orders (id integer generated always as identity primary key, customer text not null, product_id integer not null references products (id), quantity integer not null, placed_at timestamptz not null default now());
insert into products select n, 'product ' || n, 100 * n from generate_series(1, 50) n;
