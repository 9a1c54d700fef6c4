import { del, hashPassword, post, routes, t, verifyPassword } from 'tenfold'
import { anyone, caller, Id, Nothing, Role, signedIn, tokens } from '../kit.ts'
import { Email, identity } from './module.ts'

const Password = t.String({ minLength: 8, maxLength: 200 })
const Name = t.String({ minLength: 1, maxLength: 200 })
const User = t.Object({ id: Id, email: Email, name: Name })
const Tokens = t.Object({ accessToken: t.String(), refreshToken: t.String(), expiresIn: t.Integer() })
const emailTaken = identity.failure('email-taken', { status: 409, data: t.Object({ email: Email }), message: ({ email }) => `${email} has an account already: sign in instead.` })
/** One answer for an unknown address and for a wrong password: neither tells which addresses have accounts. */
const badSignIn = identity.failure('bad-sign-in', { status: 401, data: Nothing, message: () => 'The e-mail address or the password is wrong.' })

const addUser = identity.command('addUser', {
  input: t.Object({ email: Email, name: Name, role: Role, passwordHash: t.String() }), output: User, errors: [emailTaken],
}).handle(async (ctx, input) => {
  const user = await ctx.db.insertInto('users').values({ id: ctx.id('user'), ...input }).onConflict((c) => c.doNothing()).returning(['id', 'email', 'name']).executeTakeFirst()
  if (!user) throw emailTaken({ email: input.email })
  return user
})

// Hashing takes its time, so it is done in the action, outside the transaction.
export const register = identity.action('register', {
  input: t.Object({ email: Email, password: Password, name: Name }), output: User, errors: [emailTaken], backstop: { none: 'one command, nothing is left half done' },
}).handle(async (ctx, { password, ...user }) => ctx.call(addUser, { ...user, role: 'user', passwordHash: await hashPassword(password) }))

/** For the shop's own start: not routed. */
export const makeAdmin = identity.action('makeAdmin', { input: t.Object({ email: Email, password: Password }), output: Nothing, backstop: { none: 'one command, nothing is left half done' } }).handle(async (ctx, { email, password }) => {
  await ctx.call(setAdmin, { email, passwordHash: await hashPassword(password) })
  return null
})
const setAdmin = identity.command('setAdmin', { input: t.Object({ email: Email, passwordHash: t.String() }), output: Nothing }).handle(async (ctx, { email, passwordHash }) => {
  const changed = await ctx.db.updateTable('users').set({ role: 'admin', passwordHash }).where((eb) => eb(eb.fn<string>('lower', ['email']), '=', email.toLowerCase())).executeTakeFirst()
  if (changed.numUpdatedRows === 0n) await ctx.db.insertInto('users').values({ id: ctx.id('admin'), email, name: 'Admin', role: 'admin', passwordHash }).execute()
  return null
})

const credentials = identity.query('credentials', {
  input: t.Object({ email: Email }), output: t.Union([t.Null(), t.Object({ id: Id, role: Role, passwordHash: t.String() })]), consistency: 'primary',
}).handle(async (ctx, { email }) => await ctx.db.selectFrom('users').select(['id', 'role', 'passwordHash'])
  .where((eb) => eb(eb.fn<string>('lower', ['email']), '=', email.toLowerCase())).executeTakeFirst() ?? null)

export const signIn = identity.action('signIn', {
  input: t.Object({ email: t.String({ maxLength: 254 }), password: t.String({ maxLength: 200 }) }), output: Tokens, errors: [badSignIn], backstop: { none: 'one command, nothing is left half done' },
}).handle(async (ctx, { email, password }) => {
  const user = isEmail(email) ? await ctx.call(credentials, { email }) : null
  if (!await verifyPassword(user?.passwordHash, password) || !user) throw badSignIn(null)
  return ctx.call(tokens.issue, { id: user.id, role: user.role })
})
const isEmail = (text: string) => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text)

export const signOut = identity.action('signOut', { input: t.Object({ jti: caller.jti }), output: Nothing, backstop: { none: 'one command, nothing is left half done' } }).handle((ctx, { jti }) => ctx.call(tokens.revoke, { jti }))

export const contact = identity.query('contact', { input: t.Object({ userId: Id }), output: t.Union([t.Null(), t.Object({ email: Email, name: t.String() })]) })
  .handle(async (ctx, { userId }) => await ctx.db.selectFrom('users').select(['email', 'name']).where('id', '=', userId).executeTakeFirst() ?? null)

export const identityRoutes = routes('/v1', [
  post('/users', register, { auth: anyone, status: 201 }),
  post('/sessions', signIn, { auth: anyone, status: 201, limit: [{ by: 'address', rate: '10/min' }, { by: 'email', rate: '10/min' }] }),
  post('/sessions/refresh', tokens.refresh, { auth: anyone, status: 201 }),
  del('/sessions/current', signOut, { auth: signedIn, status: 204 }),
])
