create table people (id uuid primary key, name text not null, password_hash text not null, profile jsonb not null);
