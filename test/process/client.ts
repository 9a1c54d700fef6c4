/** Plain HTTP on the shop, as any client speaks it. */
import type { Command } from './shop.ts'

export interface Answer<Body> { readonly status: number; readonly headers: Headers; readonly body: Body }

export interface Problem { readonly code: string; readonly title: string; readonly detail: string; readonly status: number }

export interface Order { readonly id: string; readonly status: 'pending' | 'processing' | 'paid' | 'declined'; readonly total: number; readonly items: readonly { readonly productId: string; readonly quantity: number; readonly price: number }[] }

export interface Product { readonly id: string; readonly sku: string; readonly name: string; readonly price: number; readonly stock: number }

/** Longer than any route's own time limit: an answer that takes longer counts as none. */
const answerMs = 10_000

/** Errors: those of `fetch`, when there is no answer at all. */
export async function ask<Body = unknown>(url: string, options: { method?: string; body?: unknown; token?: string; key?: string } = {}): Promise<Answer<Body>> {
  const { method = 'GET', body, token, key } = options
  const answer = await fetch(url, {
    method, signal: AbortSignal.timeout(answerMs), ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(token ? { authorization: `Bearer ${token}` } : {}), ...(key ? { 'idempotency-key': key } : {}) },
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: (/json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : text) as Body }
}

/** A new account, signed in: its token outlives a restart. */
export async function customer(shop: Command, email: string): Promise<{ id: string; token: string }> {
  const account = { email, password: 'correct horse' }
  const { status, body } = await ask<{ id: string }>(`${shop.urls.web}/v1/users`, { method: 'POST', body: { ...account, name: 'Ann' } })
  const session = await ask<{ accessToken: string }>(`${shop.urls.web}/v1/sessions`, { method: 'POST', body: account })
  if (status !== 201 || session.status !== 201) throw new Error(`No account: ${JSON.stringify([body, session.body])}`)
  return { id: body.id, token: session.body.accessToken }
}

export async function products(shop: Command, limit: number): Promise<readonly Product[]> {
  const { body } = await ask<{ data: Product[] }>(`${shop.urls.web}/v1/products?limit=${limit}`)
  return body.data
}

export type GatewayFault = 'none' | 'slow' | 'error' | 'down' | 'duplicate' | 'declined'

export async function setGateway(shop: Command, fault: GatewayFault): Promise<void> {
  const { status, body } = await ask(`${shop.urls.ops}/sandbox/gateway`, { method: 'PUT', body: { fault } })
  if (status !== 200) throw new Error(`The gateway does not take the fault ${fault}: ${JSON.stringify(body)}`)
}
