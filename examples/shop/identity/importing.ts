/** Accounts for the customers of an imported file: used by the shop's start and by `npm run import`, not routed. */
import { hashPassword, t } from 'tenfold'
import { Email, identity } from './module.ts'

/** The e-mail address of a customer who has only a number. */
export function customerEmail(number: string): string { return `customer-${number.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}@example.com` }

/** Of every imported customer: an example's secret, said aloud. SHOP_CUSTOMER_PASSWORD is another. */
export const customerPassword = process.env['SHOP_CUSTOMER_PASSWORD'] || 'a customer of the example'

const addCustomers = identity.command('addCustomers', { input: t.Object({ emails: t.Array(Email, { maxItems: 1000 }), passwordHash: t.String() }), output: t.Integer() }).handle(async (ctx, { emails, passwordHash }) => {
  const added = await ctx.db.insertInto('users').values(emails.map((email) => ({ id: ctx.id(email), email, name: email.split('@')[0] ?? email, role: 'user' as const, passwordHash })))
    .onConflict((c) => c.doNothing()).returning('id').execute()
  return added.length
})

/** Makes an account for each that has none, with one password, hashed once; answers how many were new. */
export const importCustomers = identity.action('importCustomers', { input: t.Object({ emails: t.Array(Email), password: t.String() }), output: t.Integer(), timeout: '60s', backstop: { none: 'run again, it adds what is missing' } }).handle(async (ctx, { emails, password }) => {
  const passwordHash = await hashPassword(password)
  let added = 0
  for (let start = 0; start < emails.length; start += 500) added += await ctx.call(addCustomers, { emails: emails.slice(start, start + 500), passwordHash }, { step: `from ${start}` })
  return added
})
