/**
 * Mistakes on purpose. The compiler refuses each of them, with words that help: `mistakes.test.ts` compiles this file and holds
 * every error against the comment that stands over its line (`// <number>: <the mistake>`, then `// TS<code> <part of the message>`).
 * Nothing here ever runs. What the compiler cannot see is at the end.
 */
import { defineModule, defineTopology, get, post, t, when } from 'tenfold'
import { createClient } from 'tenfold/client'
import type { app } from '../../examples/shop/app.ts'
import { products, setPrice } from '../../examples/shop/catalogue/browse.ts'
import { catalogue, priceChanged } from '../../examples/shop/catalogue/module.ts'
import { anyone, caller, Id, Nothing, Pence, role, signedIn } from '../../examples/shop/kit.ts'
import { checkout } from '../../examples/shop/orders/checkout.ts'
import { orderPaid } from '../../examples/shop/orders/module.ts'
import { orderById } from '../../examples/shop/orders/reading.ts'

/** What a shopper keeps for later: a module of its own, sharded by customer. */
interface Tables { wishes: { id: string; customerId: string; price: number; note: string } }
const wishes = defineModule<Tables>()('wishes', { migrations: new URL('./migrations/', import.meta.url), shardKey: 'customerId' })
const Wish = t.Object({ id: Id, price: Pence, state: t.Union([t.Literal('open'), t.Literal('bought')]) })
const Mine = t.Object({ customerId: Id, id: Id })
const maybeMine = wishes.query('maybeMine', { input: t.Object({ customerId: t.Optional(caller.id) }), output: Nothing, shardKey: 'customerId' }).handle(async () => null)
const tax = wishes.dependency('tax', { timeout: '1s', config: ['url'] })
const rate = tax.operation('rate', { input: t.Object({ country: t.String() }), output: t.Number() }).handle(async () => 0.25)
const theirs = catalogue.job('theirs', { input: t.Object({}), timeout: '1s', tries: 1 }).handle(async () => {})
const unhandled = wishes.command('unhandled', { input: Mine, output: Nothing })
const shop = createClient<typeof app>({ baseUrl: 'https://shop.example' })

// ---------------------------------------------------------------- what a verb may do
// 1: a query writes
// TS2339 Property 'insertInto' does not exist on type 'Reads<Tables>'
wishes.query('writes', { input: Mine, output: Nothing }).handle(async ({ db }, wish) => { await db.insertInto('wishes').values({ ...wish, price: 1, note: '' }).execute(); return null })

// 1b: a query writes through a common table expression
// TS2551 Property 'deleteFrom' does not exist on type 'Reads<Tables>'
wishes.query('writesInside', { input: Mine, output: Nothing }).handle(async ({ db }) => { db.with('gone', (inner) => inner.deleteFrom('wishes')); return null })

// 2: a command calls what may be far away, with its transaction open
// TS2339 Property 'call' does not exist on type 'CommandContext<"wishes", Tables>'
wishes.command('callsOut', { input: Mine, output: Nothing }).handle(async (ctx) => { await ctx.call(products, {}); return null })

// 7: a query reads another module's table
// TS2345 Argument of type '"orders"' is not assignable to parameter of type 'TableExpressionOrList<Tables, never>'
wishes.query('reachesOver', { input: Mine, output: Nothing }).handle(async ({ db }) => { await db.selectFrom('orders').selectAll().execute(); return null })

// 8: a query calls a command
// TS2345 Type '"command"' is not assignable to type '"query"'
wishes.query('changes', { input: Mine, output: Nothing }).handle(async (ctx, { id }) => { await ctx.call(setPrice, { id, price: 1 }); return null })

// 9: a call without a field that its callee needs
// TS2741 Property 'customerId' is missing in type '{ id: string; }' but required in type '{ customerId: string; id: string; }'
wishes.lookup('forgets', { input: Mine, output: Nothing }).handle(async (ctx, { id }) => { await ctx.call(orderById, { id }); return null })

// 14: a command states another module's fact
// TS2345 Type '"orders"' is not assignable to type '"wishes"'
wishes.command('speaksForOthers', { input: Mine, output: Nothing }).handle(async (ctx, wish) => { await ctx.emit(orderPaid, { orderId: wish.id, customerId: wish.customerId, total: 1, lines: [] }); return null })

// 14b: a command enqueues another module's job
// TS2345 Type '"catalogue"' is not assignable to type '"wishes"'
wishes.command('worksForOthers', { input: Mine, output: Nothing }).handle(async (ctx) => { await ctx.enqueue(theirs, {}); return null })

// 15: an answer that the output does not know
// TS2322 Type '"given up"' is not assignable to type '"bought" | "open"'
wishes.query('answersWrongly', { input: Mine, output: Wish }).handle(async (_ctx, { id }) => ({ id, price: 1, state: 'given up' }))

// ---------------------------------------------------------------- what a definition must say
// 3: the input has no shard key, and nothing says where else it comes from
// TS2345 Property 'shardKey' is missing in type '{ input: ObjectOf<{ wish: Schema<string>; }>; output: Schema<null>; }' but required in type '{ shardKey: "wish"; }'
wishes.command('nowhere', { input: t.Object({ wish: Id }), output: Nothing }).handle(async () => null)

// 3b: the shard key is misspelt
// TS2322 Type '"ownr"' is not assignable to type '"owner"'
wishes.command('misspelt', { input: t.Object({ owner: Id }), output: Nothing, shardKey: 'ownr' }).handle(async () => null)

// 4: cached, and nothing says what makes it wrong
// TS2741 Property 'invalidatedBy' is missing in type '{ ttl: "5m"; }' but required in type 'Cache<{ customerId: string; id: string; }>'
wishes.query('bareCache', { input: Mine, output: Nothing, cache: { ttl: '5m' } }).handle(async () => null)

// 5: the event makes entries wrong by a field that the input has not
// TS2322 Type '{ productId: string; }' has no properties in common with type 'Partial<{ customerId: string; id: string; }>'
wishes.query('wrongField', { input: Mine, output: Nothing, cache: { ttl: '5m', invalidatedBy: [when(priceChanged, ({ productId }) => ({ productId }))] } }).handle(async () => null)

// 6: a dependency without a word on what happens when it is down
// TS2739 Type 'NeedsFallback<{ country: string; }, number>' is missing the following properties from type 'Procedure<
wishes.lookup('trusts', { input: Mine, output: t.Number() }).handle(async (ctx) => ctx.call(rate, { country: 'NO' }))

// ---------------------------------------------------------------- what a route may serve
// 10: a GET serves a command
// TS2345 Type '"command"' is not assignable to type '"lookup" | "query"'
get('/wishes/{id}', setPrice, { auth: signedIn })

// 11: the path names a field that the input has not
// TS2345 'the path names a field that the input has not': "orderId"
get('/orders/{orderId}', orderById, { auth: signedIn })

// 12: open to anyone, and filled from the caller's identity
// TS2322 Type 'Public' is not assignable to type 'SignedIn'
post('/orders', checkout, { auth: anyone })

// 12b: the same, where the field may be left out
// TS2322 Type 'Public' is not assignable to type 'SignedIn'
get('/wishes', maybeMine, { auth: anyone })

// 13: private data in a shared cache
// TS2353 'maxAge' does not exist in type '{ 'only what anyone may see is kept in a shared cache': Public; }'
get('/orders/{id}', orderById, { auth: signedIn, edge: { maxAge: '5m' } })

// 13b: what only admins may see in a shared cache
// TS2353 'maxAge' does not exist in type '{ 'only what anyone may see is kept in a shared cache': Public; }'
get('/products', products, { auth: role('admin'), edge: { maxAge: '5m' } })

// 16: a verb that was never given its handler
// TS2739 Type 'NeedsHandler<CommandContext<"wishes", Tables>, { customerId: string; id: string; }, null, Procedure<"command",
post('/wishes', unhandled, { auth: signedIn })

// ---------------------------------------------------------------- what a client may send
// 17: the client says who is calling
// TS2353 'customerId' does not exist in type 'Flat<Omit<
await shop('POST /v1/orders', { customerId: 'somebody else', items: [] })

// 17b: the client asks for a route that is none
// TS2345 Argument of type '"GET /v1/order/{id}"' is not assignable to parameter of type '"DELETE /v1/sessions/current" | "GET /v1/orders"
await shop('GET /v1/order/{id}', { id: '' })

// ---------------------------------------------------------------- what a topology may say
defineTopology<typeof app>({
  stage: 'sharded', web: { processes: 2 }, workers: { processes: 1 },
  data: {
    engine: 'postgres', pool: { max: 1, waitMs: 1 },
    // 18: a password in the topology
    // TS2322 Type '"postgres://shop:password@db/shop"' is not assignable to type 'Secret'
    primary: 'postgres://shop:password@db/shop',
    // 18b: shards for a module that has no shard key
    // TS2353 Object literal may only specify known properties, and 'catalogue' does not exist in type '{ readonly orders?:
    shards: { catalogue: { count: 2, databases: ['env:SHARD_1', 'env:SHARD_2'] } },
  },
})

// ---------------------------------------------------------------- what the compiler cannot see
// 19: an answer with more columns than the output names. `leak.test.ts` shows that none of them leaves.
wishes.query('tellsAll', { input: Mine, output: t.Object({ id: Id }) }).handle(({ db }, { customerId, id }) =>
  db.selectFrom('wishes').selectAll().where('customerId', '=', customerId).where('id', '=', id).executeTakeFirstOrThrow())
