-- Sessions. A family is one sign-in: all the tokens that came of it, each by refreshing the one before. At most one token of a family
-- can still be refreshed.

create table families (
  id uuid primary key,
  -- Who signed in: the principal's fields without its jti.
  principal jsonb not null,
  -- When the newest refresh token ends; after that nothing of the family is of use.
  expires_at timestamptz not null,
  -- Ended: by signing out, or because a refresh token was used twice.
  revoked_at timestamptz
);
create index families_expires on families (expires_at);

create table tokens (
  -- The access token's id.
  jti uuid primary key,
  family uuid not null references families (id) on delete cascade,
  -- SHA-256 of the refresh token, which itself is kept nowhere.
  refresh_hash bytea not null unique,
  issued_at timestamptz not null,
  access_expires_at timestamptz not null,
  refresh_expires_at timestamptz not null,
  -- When it was refreshed. The row stays until refresh_expires_at, so that a second use is noticed.
  used_at timestamptz,
  -- Since when the access token is refused: it was refreshed, or its family ended.
  revoked_at timestamptz
);
create index tokens_family on tokens (family);
create index tokens_expires on tokens (refresh_expires_at);
-- The list that every process reads twice a second: revoked, and not yet expired by itself.
create index tokens_revoked on tokens (access_expires_at) include (jti) where revoked_at is not null;
