import { hash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { positionLifeMs, Positions, seal } from '../base/index.ts'
import type { Platform } from '../calls/index.ts'

const header = 'tenfold-consistency'
const cookie = /(?:^|;\s*)tenfold-consistency(?:-[0-9a-f]+)?=([\w.-]+)/g

/** What the caller has seen, from its header and its cookies, the furthest of each; and back to it when that has grown. */
export interface PositionTokens {
  read(request: FastifyRequest): Positions
  write(reply: FastifyReply, positions: Positions): void
}

export function positionTokens(platform: Platform): PositionTokens {
  // Where no database has a replica there is nothing to be behind of, and nothing is sent.
  if (platform.data.databases.every(({ replicas }) => replicas.length === 0)) return { read: () => new Positions(), write: () => {} }
  const key = platform.key('positions')
  const written = new LRUCache<string, Written>({ max: rememberedMax })
  const known = new LRUCache<string, Positions>({ max: rememberedMax })
  const unsealed = (token: string): Positions => {
    let positions = known.get(token)
    if (!positions) known.set(token, positions = Positions.unseal(key, token, platform.clock.now()))
    return positions
  }
  return {
    read({ headers: { [header]: sent, cookie: cookies } }) {
      if (cookies === undefined && typeof sent === 'string' && !sent.includes(',')) return unsealed(sent.trim()).copy()
      const positions = new Positions()
      const tokens = [...String(sent ?? '').split(',', 16).map((token) => token.trim()), ...[...(cookies ?? '').matchAll(cookie)].slice(0, 16).map(([, token]) => token)]
      for (const token of tokens) positions.merge(unsealed(token ?? ''))
      positions.advanced = false
      return positions
    },
    write(reply, positions) {
      if (!positions.advanced) return
      const text = positions.text(platform.clock.now())
      let made = written.get(text)
      if (!made) written.set(text, made = write(key, text))
      reply.header(header, made.token)
      // Who has sent it by the header keeps no cookies for us.
      if (reply.request.headers[header] === undefined) reply.header('set-cookie', made.cookie)
    },
  }
}

/** A crowd of answers within a second mostly says the same. */
interface Written { readonly token: string; readonly cookie: string }
const rememberedMax = 1_000

function write(key: Uint8Array, text: string): Written {
  const token = seal(key, text)
  // Each position its own cookie: two answers that come back in the wrong order cannot take each other's place.
  return { token, cookie: `tenfold-consistency-${hash('sha256', text).slice(0, 8)}=${token}; Path=/; Max-Age=${Math.min(60, positionLifeMs / 1000)}; HttpOnly; SameSite=Lax` }
}
