import { hash } from 'node:crypto'
import { type CommandContext, defineModule, type Event, type Failure, type Fields, type Infer, internals, type Internals, t } from '../app/index.ts'
import { accessKeyPurpose, type Principal, signAccessToken, unauthenticated } from './token.ts'
import { audienceOf } from './scheme.ts'

/**
 * Sessions, as OAuth 2.0 has them (RFC 6749, section 1.5; RFC 9700, section 4.14.2).
 *
 * A sign-in begins a family. Each refresh marks the family's one usable refresh token as used, revokes the access token that was
 * issued with it, and issues the next pair. A refresh token that comes a second time is in two hands, and nobody can tell whose are
 * the thief's: the whole family ends. Of two refreshes at once with one token the first to lock the family wins; the other one comes
 * a second time, so the family ends, with the pair that the winner has just got. A client sends one refresh at a time.
 *
 * Whoever changes a family locks its row first: a token that is being added cannot slip past the end of its family.
 */
interface Tables {
  families: { id: string; principal: Record<string, unknown>; expiresAt: string; revokedAt: string | null }
  tokens: { jti: string; family: string; refreshHash: Buffer; issuedAt: string; accessExpiresAt: string; refreshExpiresAt: string; usedAt: string | null; revokedAt: string | null }
}
type Context = CommandContext<'auth', Tables>
export type SessionModule = ReturnType<typeof makeModule>

export interface SessionOptions {
  /** The principal's fields without its `jti`. */
  readonly identity: Fields
  /** Throws `invalid` for what is no principal. */
  readonly check: (principal: unknown) => void
  readonly accessMs: number
  readonly refreshMs: number
}

/** `expiresIn` is the access token's life in seconds. */
export interface Tokens { accessToken: string; refreshToken: string; expiresIn: number }
const Tokens = t.Object({ accessToken: t.String(), refreshToken: t.String(), expiresIn: t.Integer() })
/** Access tokens that end before their time, each until when it would have been valid, in milliseconds since the epoch. */
const Revoked = t.Object({ tokens: t.Array(t.Object({ jti: t.String(), expiresAt: t.Integer() })) })
export type Revoked = Infer<typeof Revoked>
const RefreshToken = t.Object({ refreshToken: t.String({ maxLength: 500 }) })
const Rotated = t.Union([t.Object({ outcome: t.Literal('issued'), tokens: Tokens }), t.Object({ outcome: t.Literal('refused'), why: t.String() })])

/** The platform's own code, as what a procedure says of itself: for OpenAPI and the client. */
const refusedToken = Object.assign(() => unauthenticated('The refresh token is not valid: sign in again.'), { code: 'unauthenticated' as const, status: 401, '~data': undefined }) satisfies Failure<'unauthenticated', undefined>

/** The event by which other tiers, and in time other processes, hear of it. */
export const revokedEvent = 'auth.revoked'
/** Rows that one pass of the sweep deletes at most, of each table: it is a short transaction, and comes again at once when there are more. */
const sweptMax = 5_000

const makeModule = () => defineModule<Tables>()('auth', { migrations: new URL('./migrations/', import.meta.url) })

/** The platform module `auth`: its tables, and the procedures that an application calls as `tokens`. */
export function defineSessions(options: SessionOptions) {
  const module = makeModule()
  const revoked = module.event('revoked', Revoked, { keep: '1h' })
  const newPair = (ctx: Context, identity: Principal) => makePair(ctx, identity, audienceOf(module), options)

  const issue = module.command('issue', { input: t.Object(options.identity), output: Tokens }).handle(async (ctx, identity) => {
    const { row, tokens } = await newPair(ctx, identity)
    await ctx.db.sql`
      with family as (insert into families (id, principal, expires_at) values (${ctx.id('family')}, ${JSON.stringify(identity)}, ${row.refreshExpiresAt}) returning id)
      insert into tokens (jti, family, refresh_hash, issued_at, access_expires_at, refresh_expires_at)
      select ${row.jti}, id, ${row.refreshHash}, ${ctx.now}, ${row.accessExpiresAt}, ${row.refreshExpiresAt} from family`
    return tokens
  })

  // It answers what it refuses: an error would roll the end of the family back. Read committed: who waited for the family's lock then
  // sees what the one before it did, and a crowd with one stolen token is not run again and again.
  const rotate = module.command('rotate', { input: RefreshToken, output: Rotated, isolation: 'read committed' }).handle(async (ctx, { refreshToken }) => {
    const refused = (why: string) => ({ outcome: 'refused' as const, why })
    const refreshHash = digest(refreshToken)
    const [family] = await ctx.db.sql<Tables['families']>`select id, principal, revoked_at from families where id = (select family from tokens where refresh_hash = ${refreshHash}) for update`
    const [old] = family ? await ctx.db.sql<Tables['tokens']>`select jti, used_at, access_expires_at, refresh_expires_at from tokens where refresh_hash = ${refreshHash}` : []
    if (!family || !old) return refused('is not one that this server knows')
    if (family.revokedAt !== null) return refused('belongs to a session that has ended')
    if (old.usedAt !== null) {
      ctx.log.warn('a refresh token came a second time: its session has ended', { family: family.id, principal: family.principal['id'] })
      await endFamily(ctx, family.id, revoked)
      return refused('was used before, so its session has ended')
    }
    if (Date.parse(old.refreshExpiresAt) <= ctx.now.getTime()) return refused('has expired')
    if (!isStill(options, { ...family.principal, jti: old.jti })) return refused('is from an earlier version of this application')
    const { row, tokens } = await newPair(ctx, family.principal)
    await ctx.db.sql`
      with used as (update tokens set used_at = ${ctx.now}, revoked_at = ${ctx.now} where jti = ${old.jti}),
        kept as (update families set expires_at = ${row.refreshExpiresAt} where id = ${family.id})
      insert into tokens (jti, family, refresh_hash, issued_at, access_expires_at, refresh_expires_at)
      values (${row.jti}, ${family.id}, ${row.refreshHash}, ${ctx.now}, ${row.accessExpiresAt}, ${row.refreshExpiresAt})`
    await announce(ctx, [old], revoked)
    return { outcome: 'issued' as const, tokens }
  })

  const refresh = module.action('refresh', { input: RefreshToken, output: Tokens, errors: [refusedToken], backstop: { none: 'one command' } }).handle(async (ctx, input) => {
    const rotated = await ctx.call(rotate, input)
    if (rotated.outcome === 'refused') throw unauthenticated(`The refresh token ${rotated.why}: sign in again.`)
    return rotated.tokens
  })

  const revoke = module.command('revoke', { input: t.Object({ jti: t.String({ format: 'uuid' }) }), output: t.Null(), isolation: 'read committed' }).handle(async (ctx, { jti }) => {
    const [family] = await ctx.db.sql<Tables['families']>`select id, revoked_at from families where id = (select family from tokens where jti = ${jti}) for update`
    if (family && family.revokedAt === null) await endFamily(ctx, family.id, revoked)
    return null
  })

  const sweep = module.job('sweep', { input: t.Object({}), timeout: '30s', tries: 5, cron: '*/10 * * * *' }).command(async (ctx) => {
    const tokens = await ctx.db.sql`delete from tokens where jti in (select jti from tokens where refresh_expires_at <= ${ctx.now} order by refresh_expires_at limit ${sweptMax} for update skip locked) returning jti`
    const families = await ctx.db.sql`
      delete from families where id in (select id from families where expires_at <= ${ctx.now} and not exists (select from tokens where family = families.id)
        order by expires_at limit ${sweptMax} for update skip locked) returning id`
    if (families.length === sweptMax || tokens.length === sweptMax) await ctx.enqueue(sweep, {}, { once: 'more' })
  })

  return { module, tokens: { issue, refresh, revoke } }
}

/** A new access and refresh token for them, and the row that remembers the two. */
async function makePair(ctx: Context, identity: Principal, audience: string, { accessMs, refreshMs }: SessionOptions) {
  const { key, random } = (ctx as Context & { [internals]: Internals })[internals] // command contexts of the platform's own modules have it
  const jti = ctx.id('jti')
  const issuedAtSeconds = Math.floor(ctx.now.getTime() / 1000)
  const expiresIn = Math.floor(accessMs / 1000)
  const principal = { ...identity, id: String(identity['id']), jti }
  const accessToken = await signAccessToken(key(accessKeyPurpose), { principal, audience, issuedAtSeconds, expiresAtSeconds: issuedAtSeconds + expiresIn })
  const refreshToken = random.bytes(32).toString('base64url')
  return {
    tokens: { accessToken, refreshToken, expiresIn },
    row: { jti, refreshHash: digest(refreshToken), accessExpiresAt: new Date((issuedAtSeconds + expiresIn) * 1000), refreshExpiresAt: new Date(ctx.now.getTime() + refreshMs) },
  }
}

/** Ends all refresh tokens of a family that the caller has locked, and its access tokens. */
async function endFamily(ctx: Context, family: string, revoked: Event<'auth', Revoked>): Promise<void> {
  const ended = await ctx.db.sql<Tables['tokens']>`
    with ended as (update families set revoked_at = ${ctx.now} where id = ${family})
    update tokens set revoked_at = ${ctx.now} where family = ${family} and revoked_at is null returning jti, access_expires_at`
  await announce(ctx, ended, revoked)
}

async function announce(ctx: Context, ended: readonly Pick<Tables['tokens'], 'jti' | 'accessExpiresAt'>[], revoked: Event<'auth', Revoked>): Promise<void> {
  const tokens = ended.map(({ jti, accessExpiresAt }) => ({ jti, expiresAt: Date.parse(accessExpiresAt) })).filter(({ expiresAt }) => expiresAt > ctx.now.getTime())
  if (tokens.length > 0) await ctx.emit(revoked, { tokens })
}

/** Whether who signed in under an earlier version of the application is still a principal of this one. */
function isStill({ check }: SessionOptions, principal: Principal): boolean {
  try {
    check(principal)
    return true
  } catch {
    return false
  }
}

function digest(refreshToken: string): Buffer {
  return hash('sha256', refreshToken, 'buffer')
}
