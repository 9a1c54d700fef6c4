/** Orders with idempotency keys, and what is known of each: a repeat with the same key is how a client learns what a crash hid. */
import { ask, type Order, type Problem } from './client.ts'
import type { Command } from './shop.ts'

export interface Wanted {
  readonly key: string
  readonly token: string
  readonly email: string
  readonly items: readonly { readonly productId: string; readonly quantity: number }[]
}

/** What the shop said for good: an order, or a refusal that left nothing behind. */
export type Said = { readonly kind: 'order'; readonly order: Order } | { readonly kind: 'refused'; readonly code: string }

export interface Book {
  readonly wanted: readonly Wanted[]
  readonly said: ReadonlyMap<string, Said>
  /** Every answer that was not to be expected of a shop in trouble. */
  readonly oddities: readonly string[]
  /** Asks for it, or asks again. True when it is known now how it stands. */
  place(shop: Command, order: Wanted): Promise<boolean>
  /** Asks once more for each order that there is; whether all were answered. A refusal took nothing, so its key is free: that is not asked again. */
  again(shop: Command): Promise<boolean>
  unknown(): Wanted[]
}

/** In trouble a shop may answer one of these: all say that it may be asked again with the same key. */
const passing = new Set(['in-progress', 'run-lost', 'timeout', 'outcome-unknown', 'overloaded', 'draining', 'pool-exhausted', 'contention', 'database-unavailable'])

export function openBook(): Book {
  const wanted = new Map<string, Wanted>()
  const said = new Map<string, Said>()
  const oddities: string[] = []
  /** One request a key at a time: of two at once one may be refused (which frees the key) and the other then be taken. */
  const placing = new Map<string, Promise<boolean>>()
  const know = (key: string, now: Said) => {
    const before = said.get(key)
    if (before?.kind === 'order' && identity(before) !== identity(now)) oddities.push(`the key ${key} was answered by ${identity(before)}, and then by ${identity(now)}`)
    said.set(key, now)
    return true
  }
  const placeNow = async (shop: Command, order: Wanted): Promise<boolean> => {
    const answer = await ask<Order | Problem>(`${shop.urls.web}/v1/orders`, { method: 'POST', token: order.token, key: order.key, body: { items: order.items } }).catch(() => undefined)
    if (!answer) return false
    const { status, body } = answer
    if (status === 201) return know(order.key, { kind: 'order', order: body as Order })
    const { code } = body as Problem
    if (code === 'short-stock') return know(order.key, { kind: 'refused', code })
    if (!passing.has(code)) oddities.push(`${order.key}: ${status} ${JSON.stringify(body)}`)
    return false
  }
  const book: Book = {
    said, oddities,
    get wanted() { return [...wanted.values()] },
    unknown: () => [...wanted.values()].filter(({ key }) => !said.has(key)),
    again: async (shop) => (await Promise.all(book.wanted.filter(({ key }) => said.get(key)?.kind === 'order').map((one) => book.place(shop, one)))).every(Boolean),
    place(shop, order) {
      wanted.set(order.key, order)
      const known = placing.get(order.key)
      if (known) return known
      const asked = placeNow(shop, order).finally(() => placing.delete(order.key))
      placing.set(order.key, asked)
      return asked
    },
  }
  return book
}

/** What may not change from one answer to the next: all but the status. */
function identity(said: Said): string {
  return said.kind === 'order' ? JSON.stringify([said.order.id, said.order.total, ...said.order.items.map(({ productId, quantity, price }) => [productId, quantity, price])]) : said.code
}
