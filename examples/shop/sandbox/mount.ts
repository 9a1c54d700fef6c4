import type { FastifyPluginAsync, FastifyReply } from 'fastify'

const controlTimeoutMs = 5_000

/**
 * The sandbox on the shop's ops port: `GET /mails`, `GET` and `PUT /sandbox/gateway`, `PUT /sandbox/recommender`.
 * `controlUrl` is asked at each request; 503 when it throws or nothing answers there.
 */
export function sandboxRoutes(controlUrl: () => string): FastifyPluginAsync {
  async function pass(reply: FastifyReply, method: 'GET' | 'PUT', path: string, body?: unknown): Promise<FastifyReply> {
    try {
      const answer = await fetch(`${controlUrl()}${path}`, {
        method, signal: AbortSignal.timeout(controlTimeoutMs), ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      })
      return await reply.code(answer.status).type(answer.headers.get('content-type') ?? 'application/json').send(await answer.text())
    } catch {
      return await reply.code(503).type('application/problem+json').send(JSON.stringify({
        type: 'about:blank', title: 'The sandbox is not running', status: 503, detail: 'The process of the sandbox does not answer: restart the shop, which starts it.',
      }))
    }
  }
  return async (ops) => {
    ops.get('/mails', (_request, reply) => pass(reply, 'GET', '/mails'))
    ops.get('/sandbox/gateway', (_request, reply) => pass(reply, 'GET', '/gateway'))
    ops.put('/sandbox/gateway', (request, reply) => pass(reply, 'PUT', '/gateway', request.body))
    ops.put('/sandbox/recommender', (request, reply) => pass(reply, 'PUT', '/recommender', request.body))
  }
}
