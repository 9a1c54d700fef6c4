/** A small application that uses every verb: what the platform's own tests run, at every stage. */
import { failed } from '../../src/base/index.ts'
import { defineApp, defineModule, notFound, page, pageInput, pageOf, t, when } from 'tenfold'

const Id = t.String({ format: 'uuid' })
const Nothing = t.Null()
const Amount = t.Integer({ minimum: 1, maximum: 1_000_000 })

interface AccountTables {
  accounts: { id: string; name: string; balance: number }
  holds: { id: string; accountId: string; amount: number }
  totals: { name: string; credits: number; amount: number }
  seen: { id: number; ownerId: string; amount: number }
}
interface WalletTables {
  wallets: { ownerId: string; balance: number }
  entries: { ownerId: string; id: string; amount: number; note: string }
  statements: { ownerId: string; credits: number }
}
export const accounts = defineModule<AccountTables>()('accounts', { migrations: new URL('./migrations/accounts/', import.meta.url) })
export const wallets = defineModule<WalletTables>()('wallets', { migrations: new URL('./migrations/wallets/', import.meta.url), shardKey: 'ownerId' })

// ---------------------------------------------------------------- accounts: one database
const Account = t.Object({ id: Id, name: t.String(), balance: t.Integer() })
export const shortFunds = accounts.failure('short-funds', { status: 409, data: t.Object({ left: t.Integer() }), message: ({ left }) => `only ${left} left` })
export const accountChanged = accounts.event('account.changed', t.Object({ id: Id }), { orderedBy: 'id' })

export const openAccount = accounts.command('open', { input: t.Object({ name: t.String(), balance: t.Integer() }), output: Account }).handle((ctx, input) =>
  ctx.db.insertInto('accounts').values({ id: ctx.id('account'), ...input }).returningAll().executeTakeFirstOrThrow())

export const accountById = accounts.query('byId', { input: t.Object({ id: Id }), output: Account, notFound: 'account' })
  .statement((db, { id }) => db.selectFrom('accounts').selectAll().where('id', '=', id))

export const accountNow = accounts.query('now', { input: t.Object({ id: Id }), output: Account, notFound: 'account', consistency: 'primary' })
  .statement((db, { id }) => db.selectFrom('accounts').selectAll().where('id', '=', id))

export const cachedAccount = accounts.query('cached', {
  input: t.Object({ id: Id }), output: Account, notFound: 'account', cache: { ttl: '15m', staleFor: '1m', invalidatedBy: [when(accountChanged, ({ id }) => ({ id }))] },
}).handle(async (ctx, { id }) => {
  const account = await ctx.db.selectFrom('accounts').selectAll().where('id', '=', id).executeTakeFirst()
  if (!account) throw notFound('account', id)
  return account
})

export const accountsByName = accounts.query('list', { input: pageInput({}), output: pageOf(Account) }).handle((ctx, input) => page(ctx.db.selectFrom('accounts').selectAll(), input, ['balance desc', 'id']))

/** Does all that a command can do, and then fails. */
export const spoil = wallets.command('spoil', { input: t.Object({ ownerId: Id }), output: Nothing }).handle(async (ctx, { ownerId }) => {
  await ctx.db.insertInto('wallets').values({ ownerId, balance: 1 }).execute()
  await ctx.emit(credited, { ownerId, amount: 1, nth: 1 })
  await ctx.enqueue(stamp, { ownerId, note: 'spoilt' })
  throw shortFunds({ left: 0 })
})

/** Reads, then writes: two at once cannot both be right, so one is run again. */
export const deposit = accounts.command('deposit', { input: t.Object({ id: Id, amount: t.Integer() }), output: Account }).handle(async (ctx, { id, amount }) => {
  const before = await ctx.db.selectFrom('accounts').selectAll().where('id', '=', id).executeTakeFirst()
  if (!before) throw notFound('account', id)
  await ctx.emit(accountChanged, { id })
  return ctx.db.updateTable('accounts').set({ balance: before.balance + amount }).where('id', '=', id).returningAll().executeTakeFirstOrThrow()
})

export const hold = accounts.command('hold', { input: t.Object({ holdId: Id, id: Id, amount: Amount }), output: t.Object({ left: t.Integer() }), errors: [shortFunds] }).handle(async (ctx, { holdId, id, amount }) => {
  const account = await ctx.db.selectFrom('accounts').selectAll().where('id', '=', id).executeTakeFirst()
  if (!account) throw notFound('account', id)
  if (account.balance < amount) throw shortFunds({ left: account.balance })
  await ctx.db.updateTable('accounts').set({ balance: account.balance - amount }).where('id', '=', id).execute()
  await ctx.db.insertInto('holds').values({ id: holdId, accountId: id, amount }).execute()
  await ctx.emit(accountChanged, { id })
  return { left: account.balance - amount }
})

export const releaseHold = accounts.command('release', { input: t.Object({ holdId: Id }), output: Nothing }).handle(async (ctx, { holdId }) => {
  const held = await ctx.db.deleteFrom('holds').where('id', '=', holdId).returning(['accountId', 'amount']).executeTakeFirst()
  if (!held) return null
  await ctx.db.updateTable('accounts').set((eb) => ({ balance: eb('balance', '+', held.amount) })).where('id', '=', held.accountId).execute()
  await ctx.emit(accountChanged, { id: held.accountId })
  return null
})

// ---------------------------------------------------------------- wallets: sharded by owner
const Wallet = t.Object({ ownerId: Id, balance: t.Integer() })
export const credited = wallets.event('wallet.credited', t.Object({ ownerId: Id, amount: t.Integer(), nth: t.Integer() }), { orderedBy: 'ownerId' })

export const credit = wallets.command('credit', { input: t.Object({ ownerId: Id, amount: Amount, note: t.String() }), output: Wallet }).handle(async (ctx, { ownerId, amount, note }) => {
  const wallet = await ctx.db.insertInto('wallets').values({ ownerId, balance: amount })
    .onConflict((c) => c.columns(['bucket' as never, 'ownerId']).doUpdateSet((eb) => ({ balance: eb('wallets.balance', '+', amount) }))).returning(['ownerId', 'balance']).executeTakeFirstOrThrow()
  await ctx.db.insertInto('entries').values({ ownerId, id: ctx.id('entry'), amount, note }).execute()
  await ctx.emit(credited, { ownerId, amount, nth: wallet.balance })
  await ctx.enqueue(note === 'as a command' ? stampAsCommand : stamp, { ownerId, note: `${note} stamped` })
  return wallet
})

export const walletOf = wallets.query('of', { input: t.Object({ ownerId: Id }), output: t.Union([t.Null(), Wallet]) })
  .statement((db, { ownerId }) => db.selectFrom('wallets').select(['ownerId', 'balance']).where('ownerId', '=', ownerId) as never)

export const entriesOf = wallets.query('entries', { input: t.Object({ ownerId: Id }), output: t.Array(t.Object({ id: Id, amount: t.Integer(), note: t.String() })) }).handle((ctx, { ownerId }) =>
  ctx.db.selectFrom('entries').select(['id', 'amount', 'note']).where('ownerId', '=', ownerId).orderBy('id').execute())

wallets.projection('statements', { tables: ['statements'], shardKey: 'ownerId' }).on(credited, async ({ db }, { ownerId }) => {
  await db.insertInto('statements').values({ ownerId, credits: 1 }).onConflict((c) => c.columns(['bucket' as never, 'ownerId']).doUpdateSet((eb) => ({ credits: eb('statements.credits', '+', 1) }))).execute()
})
export const creditsOf = wallets.query('credits', { input: t.Object({ ownerId: Id }), output: t.Integer(), consistency: 'primary' }).handle(async (ctx, { ownerId }) =>
  (await ctx.db.selectFrom('statements').select('credits').where('ownerId', '=', ownerId).executeTakeFirst())?.credits ?? 0)

/** Forgets to say whose: row security answers for the one bucket only. */
export const careless = wallets.query('careless', { input: t.Object({ ownerId: Id }), output: t.Integer() }).handle(async (ctx) => (await ctx.db.sql<{ n: number }>`select count(*) as n from wallets`)[0]?.n ?? 0)

export const everything = wallets.query('everything', { input: t.Object({}), output: t.Object({ sum: t.Integer() }), shardKey: 'all', merge: (parts) => ({ sum: parts.reduce((sum, part) => sum + part.sum, 0) }) })
  .handle(async (ctx) => ({ sum: (await ctx.db.sql<{ sum: number }>`select coalesce(sum(balance), 0)::bigint as sum from wallets`)[0]?.sum ?? 0 }))

const addEntry = wallets.command('addEntry', { input: t.Object({ ownerId: Id, note: t.String() }), output: Nothing }).handle(async (ctx, { ownerId, note }) => {
  await ctx.db.insertInto('entries').values({ ownerId, id: ctx.id('stamp'), amount: 0, note }).execute()
  return null
})
const stamp = wallets.job('stamp', { input: t.Object({ ownerId: Id, note: t.String() }), timeout: '5s', tries: 5 }).handle(async (ctx, { ownerId, note }) => {
  const wallet = await ctx.call(walletOf, { ownerId })
  if (wallet) await ctx.call(addEntry, { ownerId, note })
})
const stampAsCommand = wallets.job('stampAsCommand', { input: t.Object({ ownerId: Id, note: t.String() }), timeout: '5s', tries: 5 }).command(async (ctx, { ownerId, note }) => {
  await ctx.db.insertInto('entries').values({ ownerId, id: ctx.id('stamp'), amount: 0, note }).execute()
})

// ---------------------------------------------------------------- reactions
/** `owner amount`: what `see` cannot take. */
export const poison = new Set<string>()
/** How many more deliveries to `see` meet a database that is gone. */
export const outage = { left: 0 }
accounts.on(credited, 'see', {}, async (ctx, { ownerId, amount }) => {
  if (outage.left-- > 0) throw failed('database-unavailable', 'The database is gone for now.')
  if (poison.has(`${ownerId} ${amount}`)) throw new Error('poisoned')
  await ctx.db.insertInto('seen').values({ ownerId, amount } as never).execute()
})
accounts.projection('totals', { tables: ['totals'] }).on(credited, async ({ db }, { amount }) => {
  await db.insertInto('totals').values({ name: 'all', credits: 1, amount }).onConflict((c) => c.column('name').doUpdateSet((eb) => ({ credits: eb('totals.credits', '+', 1), amount: eb('totals.amount', '+', amount) }))).execute()
})
export const totals = accounts.query('totals', { input: t.Object({}), output: t.Object({ credits: t.Integer(), amount: t.Integer() }), consistency: 'primary' }).handle(async (ctx) =>
  await ctx.db.selectFrom('totals').select(['credits', 'amount']).executeTakeFirst() ?? { credits: 0, amount: 0 })
export const seen = accounts.query('seen', { input: t.Object({ ownerId: Id }), output: t.Array(t.Integer()), consistency: 'primary' }).handle(async (ctx, { ownerId }) =>
  (await ctx.db.selectFrom('seen').select('amount').where('ownerId', '=', ownerId).orderBy('id').execute()).map(({ amount }) => amount))

// ---------------------------------------------------------------- a process across both, and outside
const bank = accounts.dependency('bank', { timeout: '500ms', config: ['url'] })
const Outcome = t.Union([t.Literal('paid'), t.Literal('refused'), t.Literal('unknown')])
export const pay = bank.operation('pay', { input: t.Object({ transferId: Id, amount: Amount }), output: t.Object({ outcome: Outcome }) })
  .handle(async () => { throw new Error('no bank in this test') }).fallback(async () => ({ outcome: 'unknown' }))

const Transfer = t.Object({ id: Id, status: t.Union([t.Literal('done'), t.Literal('refused'), t.Literal('processing')]) })
export const transfer = accounts.action('transfer', {
  input: t.Object({ from: Id, to: Id, amount: Amount }), output: Transfer, errors: [shortFunds], timeout: '3s',
  backstop: { after: '5s', giveUpAfter: '1h', undo: async (ctx) => {
    await ctx.call(releaseHold, { holdId: ctx.id('transfer') })
    return { id: ctx.id('transfer'), status: 'refused' as const }
  } },
}).handle(async (ctx, { from, to, amount }) => {
  const id = ctx.id('transfer')
  await ctx.call(hold, { holdId: id, id: from, amount })
  const { outcome } = await ctx.call(pay, { transferId: id, amount })
  if (outcome === 'unknown') return ctx.unfinished({ id, status: 'processing' })
  if (outcome === 'refused') {
    await ctx.call(releaseHold, { holdId: id })
    return { id, status: 'refused' }
  }
  await ctx.call(credit, { ownerId: to, amount, note: id })
  return { id, status: 'done' }
})

/** What it deposits is what it read: read again after the deposit, it would be another sum. */
export const double = accounts.action('double', { input: t.Object({ id: Id }), output: Account, backstop: { after: '5s', giveUpAfter: '1h', undo: async () => {} } }).handle(async (ctx, { id }) => {
  const { balance } = await ctx.call(accountNow, { id })
  return ctx.call(deposit, { id, amount: balance })
})

export const ledger = defineApp('ledger', { modules: [accounts, wallets], routes: [] })
