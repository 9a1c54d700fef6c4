import { createClient, defineModule, get, post, t, type Topology, when } from 'tenfold'
import { Id, Pence, anyone, caller, signedIn } from '../../examples/shop/kit.ts'
import { priceChanged, setPrice, products } from '../../examples/shop/catalogue/browse.ts'
import { orderPaid } from '../../examples/shop/orders/module.ts'
import { orderById, checkout } from '../../examples/shop/orders/checkout.ts'
import type { app } from '../../examples/shop/app.ts'
interface Tables { carts: { id: string; customerId: string; total: number } }
const carts = defineModule<Tables>()('carts', { migrations: new URL('./'), shardKey: 'customerId' })
const Cart = t.Object({ id: Id, total: Pence, state: t.Union([t.Literal('open'), t.Literal('closed')]) })
const Key = t.Object({ customerId: Id, id: Id })
declare const kysely: { with: Function }
// 1 a query writes
carts.query('a', { input: Key, output: t.Null() }).handle(async (ctx) => { await ctx.db.insertInto('carts').values({}).execute(); return null })
// 1b through a common table expression
carts.query('a', { input: Key, output: t.Null() }).handle(async (ctx) => { ctx.db.with('x', (db) => db.deleteFrom('carts')); return null })
// 2 a command calls out
carts.command('a', { input: Key, output: t.Null() }).handle(async (ctx) => { await ctx.call(products, {}); return null })
// 3 no shard key in the input
carts.command('a', { input: t.Object({ cart: Id }), output: t.Null() }).handle(async () => null)
// 3b shard key misspelt
carts.command('a', { input: t.Object({ owner: Id }), output: t.Null(), shardKey: 'ownr' }).handle(async () => null)
// 4 cached without saying what invalidates
carts.query('a', { input: Key, output: Cart, cache: { ttl: '5m' } }).handle(async (ctx) => ctx.db.selectFrom('carts').select(['id', 'total']).select((eb) => eb.val('open' as const).as('state')).executeTakeFirstOrThrow())
// 5 invalidation names a field that the input has not
carts.query('a', { input: Key, output: t.Null(), cache: { ttl: '5m', invalidatedBy: [when(priceChanged, (e) => ({ productId: e.productId }))] } }).handle(async () => null)
// 6 a dependency without a fallback
const tax = carts.dependency('tax', { timeout: '1s', config: ['url'] })
const rate = tax.operation('rate', { input: t.Object({ country: t.String() }), output: t.Number() }).handle(async () => 0.25)
carts.lookup('a', { input: Key, output: t.Number() }).handle(async (ctx) => ctx.call(rate, { country: 'NO' }))
// 7 another module's table
carts.query('a', { input: Key, output: t.Null() }).handle(async (ctx) => { await ctx.db.selectFrom('orders').selectAll().execute(); return null })
// 8 a query calls a command
carts.query('a', { input: Key, output: t.Null() }).handle(async (ctx) => { await ctx.call(setPrice, { id: 'a', price: 1 }); return null })
// 9 wrong input to a call
carts.lookup('a', { input: Key, output: t.Null() }).handle(async (ctx) => { await ctx.call(orderById, { id: 'x' }); return null })
// 10 GET serves a command
get('/x/{id}', setPrice, { auth: signedIn })
// 11 path parameter that is no field
get('/orders/{orderId}', orderById, { auth: signedIn })
// 12 caller's field on an open route
post('/orders', checkout, { auth: anyone })
// 13 edge cache on private data
get('/orders/{id}', orderById, { auth: signedIn, edge: { maxAge: '5m' } })
// 14 emits another module's event
carts.command('a', { input: Key, output: t.Null() }).handle(async (ctx) => { await ctx.emit(orderPaid, { orderId: 'a', customerId: 'b', total: 1, lines: [] }); return null })
// 15 wrong answer
carts.query('a', { input: Key, output: Cart }).handle(async () => { return { id: 'x', total: 1, state: 'opened' } })
// 16 no handler
const unhandled = carts.command('a', { input: Key, output: t.Null() })
post('/x', unhandled, { auth: signedIn })
// 17 the client sends the customer
const shop = createClient<typeof app>({ baseUrl: '' })
await shop('POST /v1/orders', { customerId: 'me', items: [] })
await shop('GET /v1/order/{id}', { id: '' })
// 18 shards for a module without a shard key
export const topo = { stage: 'sharded', web: { processes: 2 }, workers: { processes: 1 }, data: { engine: 'postgres', primary: 'postgres://u:p@h/db', pool: { max: 1, waitMs: 1 }, shards: { catalogue: { count: 1, databases: [] } } }, dependencies: {} } satisfies Topology<typeof app>
// 19 leak: not seen by the compiler
carts.query('a', { input: Key, output: t.Object({ id: Id }) }).handle(async (ctx) => ctx.db.selectFrom('carts').selectAll().executeTakeFirstOrThrow())
