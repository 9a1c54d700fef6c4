create table products (id uuid primary key, sku text not null unique, name text not null, price integer not null, stock integer not null);
