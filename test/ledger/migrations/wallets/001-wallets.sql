create table wallets (bucket smallint not null, owner_id uuid not null, balance bigint not null default 0, primary key (bucket, owner_id));
create table entries (bucket smallint not null, owner_id uuid not null, id uuid not null, amount bigint not null, note text not null, primary key (bucket, owner_id, id));
create table statements (bucket smallint not null, owner_id uuid not null, credits integer not null, primary key (bucket, owner_id));
