-- Files that a command has taken: what stands here is not collected.
create table files (sha256 text primary key, bytes bigint not null, referenced_at timestamptz not null);
