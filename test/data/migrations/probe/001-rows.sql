create table rows (bucket smallint not null, owner_id text not null, id text not null, primary key (bucket, owner_id, id));
