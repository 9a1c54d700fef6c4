create table users (
  id uuid primary key,
  email text not null,
  name text not null,
  role text not null check (role in ('user', 'admin')),
  password_hash text not null
);
-- One account for an address, however it is written.
create unique index users_email on users (lower(email));
