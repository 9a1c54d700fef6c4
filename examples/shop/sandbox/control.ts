import type { Server } from 'node:http'
import type { Gateway } from './gateway.ts'
import { jsonServer, noSuchRoute, type Answer, type Asked } from './http.ts'
import type { Mailbox } from './mailbox.ts'
import type { RecommenderFault } from './recommender.ts'
import type { Service } from './service.ts'

/** The sandbox's own side, on a port that no fault touches: what has arrived, and the switches. */
export function controlServer(parts: { gateway: Gateway; recommender: Service<RecommenderFault>; mailbox: Mailbox }): Server {
  const { gateway, recommender, mailbox } = parts
  const routes: Record<string, (asked: Asked) => Answer | Promise<Answer>> = {
    'GET /mails': () => ({ status: 200, body: mailbox.mails() }),
    'GET /gateway': () => ({ status: 200, body: { charges: gateway.charges() } }),
    'PUT /gateway': (asked) => gateway.change(asked.body),
    'PUT /recommender': (asked) => recommender.change(asked.body),
    'GET /faults': () => ({ status: 200, body: { gateway: gateway.fault, recommender: recommender.fault } }),
  }
  return jsonServer((asked) => (routes[`${asked.method} ${asked.path}`] ?? noSuchRoute)(asked))
}
