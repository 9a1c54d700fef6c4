/** The shop as its customers reach it: over HTTP, through the typed client. */
import { type Client, createClient, ProblemError } from 'tenfold/client'
import type { app } from '../app.ts'
import { customerEmail, customerPassword } from '../identity/importing.ts'

export type ShopClient = Client<typeof app>

/** A shop that is down is waited for: with a pause of up to five seconds between two tries, for about a quarter of an hour. */
const patience = { tries: 400, timeoutMs: 30_000, pauseMsMax: 120_000 }
/** An access token is renewed this long before it ends, in milliseconds. */
const earlyMs = 60_000

export interface Shoppers {
  /** Signed in as nobody. */
  readonly anyone: ShopClient
  /** Signed in as that customer of the file. Errors: a sentence, where the shop has no such account. */
  of(customer: string): Promise<ShopClient>
}

/** `admin`: whose token frees every request from the rate limits. */
export function shoppersOf(baseUrl: string, admin: { email: string; password: string } | undefined): Shoppers {
  const plain = createClient<typeof app>({ baseUrl, ...patience })
  const adminToken = admin && tokenSource(plain, admin, () => `The shop does not know the admin ${admin.email}: start it with the same SHOP_ADMIN_EMAIL and SHOP_ADMIN_PASSWORD.`)
  const headers = async (): Promise<Record<string, string>> => adminToken ? { 'tenfold-unlimited': await adminToken() } : {}
  const anyone = createClient<typeof app>({ baseUrl, headers, ...patience })
  const clients = new Map<string, { client: ShopClient; token: () => Promise<string> }>()
  return {
    anyone,
    async of(customer) {
      let known = clients.get(customer)
      if (!known) {
        const account = { email: customerEmail(customer), password: customerPassword }
        const token = tokenSource(anyone, account, () => `The shop has no account ${account.email}: fill it from this file first, npm start -- --data FILE.`)
        clients.set(customer, known = { client: createClient<typeof app>({ baseUrl, headers, token, ...patience }), token })
      }
      await known.token()
      return known.client
    },
  }
}

/** Signs in when first asked, and again before the token ends. */
function tokenSource(client: ShopClient, account: { email: string; password: string }, unknown: () => string): () => Promise<string> {
  let known: { token: Promise<string>; endsAt: number } | undefined
  return async () => {
    if (!known || Date.now() > known.endsAt - earlyMs) {
      const signedIn = client('POST /v1/sessions', account, { repeatable: true }).catch((error: unknown) => {
        known = undefined
        throw error instanceof ProblemError && error.problem.status === 401 ? new Error(unknown(), { cause: error }) : error
      })
      const mine = { token: signedIn.then(({ accessToken, expiresIn }) => { mine.endsAt = Date.now() + expiresIn * 1000; return accessToken }), endsAt: Infinity }
      known = mine
    }
    return known.token
  }
}
