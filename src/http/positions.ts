import type { FastifyReply, FastifyRequest } from 'fastify'
import { positionLifeMs, Positions } from '../base/index.ts'
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
  return {
    read(request) {
      const positions = new Positions()
      const tokens = [...String(request.headers[header] ?? '').split(',', 16).map((token) => token.trim()), ...[...(request.headers.cookie ?? '').matchAll(cookie)].slice(0, 16).map(([, token]) => token)]
      for (const token of tokens) positions.merge(Positions.unseal(key, token ?? '', platform.clock.now()))
      positions.advanced = false
      return positions
    },
    write(reply, positions) {
      if (!positions.advanced) return
      const token = positions.seal(key, platform.clock.now())
      // Each response its own cookie: two that come back in the wrong order cannot take each other's place.
      const name = `tenfold-consistency-${platform.random.hex(4)}`
      reply.header(header, token)
      reply.header('set-cookie', `${name}=${token}; Path=/; Max-Age=${Math.min(60, positionLifeMs / 1000)}; HttpOnly; SameSite=Lax`)
    },
  }
}
