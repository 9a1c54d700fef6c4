-- What the primary says ten times a second, and a replica repeats when it has replayed it: how old that is there, is its lag.
create table heartbeat (one boolean primary key default true check (one), at timestamptz not null);
insert into heartbeat (at) values (clock_timestamp());

-- The timeline whose log a standby receives; its own control file learns of it only at its next restartpoint, minutes later.
-- `security definer`: the view shows it to those who may see everything.
create function received_timeline() returns integer language sql stable security definer set search_path = pg_catalog as $$
  select received_tli from pg_stat_wal_receiver
$$;

-- The timelines that this server has left behind, each with the end of what counts of it. Nobody but a superuser may read that file: where
-- whoever migrates is none, nothing is known, and positions of an older timeline are read on the primary.
create function left_timelines() returns table (timeline integer, left_at pg_lsn) language plpgsql stable security definer set search_path = pg_catalog as $$
declare
  history text;
begin
  history := pg_read_file(format('pg_wal/%s.history', left(pg_walfile_name(pg_current_wal_lsn()), 8)), 0, 1000000, true);
  return query select line[1]::integer, line[2]::pg_lsn from regexp_matches(history, '^\s*(\d+)\s+([0-9A-F]+/[0-9A-F]+)', 'gn') as line;
exception when insufficient_privilege then
  return;
end $$;
