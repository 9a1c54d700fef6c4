create table accounts (id uuid primary key, name text not null unique, balance bigint not null check (balance >= 0));
create table holds (id uuid primary key, account_id uuid not null references accounts (id), amount bigint not null);
create table totals (name text primary key, credits integer not null, amount bigint not null);
create table seen (id bigint generated always as identity primary key, owner_id uuid not null, amount bigint not null);
