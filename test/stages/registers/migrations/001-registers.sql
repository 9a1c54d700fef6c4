-- The same number in both, always: a command writes both or neither.
create table left_side (id text primary key, version integer not null);
create table right_side (id text primary key, version integer not null);
