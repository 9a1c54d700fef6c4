import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { failed } from '../base/index.ts'

/**
 * What to say where no route is: 404, or, where the path is there for other methods, 405 and `Allow` (RFC 9110, section 15.5.6);
 * nothing is wrong with OPTIONS, which asks for just that. Paths are looked at one by one: it is no request that we serve.
 */
export function notServed(server: FastifyInstance, hint: string): (request: FastifyRequest, reply: FastifyReply) => Error | undefined {
  const methods = new Map<string, Set<string>>()
  server.addHook('onRoute', ({ url, method }) => {
    const there = methods.get(url)
    if (there) for (const one of [method].flat()) there.add(one)
    else methods.set(url, new Set([method].flat()))
  })
  let patterns: { pattern: RegExp; methods: ReadonlySet<string> }[] | undefined
  return (request, reply) => {
    patterns ??= [...methods].filter(([url]) => /^\/[^*()]*$/.test(url)).map(([url, there]) => ({ pattern: patternOf(url), methods: there }))
    const [path = ''] = request.url.split('?')
    const allowed = new Set(patterns.filter(({ pattern }) => pattern.test(path)).flatMap((one) => [...one.methods]))
    if (allowed.size === 0) return failed('not-found', `There is nothing at ${request.method} ${path.slice(0, 200)}: ${hint}.`)
    const allow = [...allowed, 'OPTIONS'].join(', ')
    reply.header('allow', allow)
    return request.method === 'OPTIONS' ? undefined : failed('method-not-allowed', `There is no ${request.method} here, only ${allow}.`)
  }
}

/** `/orders/:id` as the router reads it: a parameter may be empty. */
function patternOf(url: string): RegExp {
  return new RegExp(`^${url.split(/:\w+/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('[^/]*')}$`)
}
