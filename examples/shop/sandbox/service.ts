import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { jsonServer, problem, type Answer, type Asked } from './http.ts'

/** An HTTP service on loopback with a fault that can be switched on. */
export interface Service<Fault extends string> {
  readonly url: string
  /** The fault in force. */
  readonly fault: Fault
  /** Switches to the fault that a request's body names; answers when it is in force. A bad one gets 422. */
  change(body: unknown): Promise<Answer>
  close(): Promise<void>
}

/** How long the fault `slow` holds an answer back, in milliseconds, unless told otherwise. */
export const slowAnswerMs = 10_000

/**
 * Starts a service with the given faults, of which the first, none, is in force; `handle` is told which one is. `down` is this file's
 * own part: the listening socket is really closed and open connections are reset, so that callers see what a dead process shows.
 */
export async function startService<Fault extends string>(
  faults: readonly [Fault, ...Fault[]], handle: (asked: Asked, fault: Fault) => Answer, port?: number,
): Promise<Service<Fault>> {
  let fault: Fault = faults[0]
  let listening = await listen(newServer, port)
  let lastChange: Promise<unknown> = Promise.resolve()

  function newServer(): Server {
    return jsonServer((asked) => handle(asked, fault))
  }

  async function switchTo(next: Fault): Promise<Answer> {
    if (next === 'down' && fault !== 'down') await listening.close()
    if (next !== 'down' && fault === 'down') {
      try {
        listening = await listen(newServer, listening.port)
      } catch {
        return problem(503, 'The fault cannot be lifted', `Another process took port ${listening.port} in the meantime: end it and try again.`)
      }
    }
    fault = next
    return { status: 200, body: { fault } }
  }

  return {
    url: `http://127.0.0.1:${listening.port}`,
    get fault() { return fault },
    async change(body) {
      const wanted = (body as { fault?: unknown } | null | undefined)?.fault
      const next = faults.find((name) => name === wanted)
      if (next === undefined) return problem(422, 'There is no such fault', `fault must be one of: ${faults.join(', ')}.`)
      // One after the other: closing and opening at once would leave it to chance which holds.
      const change = lastChange.then(() => switchTo(next))
      lastChange = change
      return await change
    },
    async close() {
      await lastChange
      if (fault !== 'down') await listening.close()
    },
  }
}

export interface Listening { readonly port: number; close(): Promise<void> }

/** Listens on that port of the loopback address, or on a free one. Closing resets the connections that are open. */
export async function listen(newServer: () => Server, port?: number): Promise<Listening> {
  for (let attempt = 1; ; attempt++) {
    const server = newServer()
    const sockets = new Set<Socket>()
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    const chosen = port ?? freePort()
    try {
      server.listen(chosen, '127.0.0.1')
      await once(server, 'listening')
    } catch (error) {
      if (port === undefined && attempt < 100) continue
      const reason = (error as NodeJS.ErrnoException).code
      throw new Error(`The sandbox cannot listen on port ${chosen} (${reason}): free it, or choose another.`, { cause: error })
    }
    return {
      port: chosen,
      async close() {
        const closed = once(server, 'close')
        server.close()
        for (const socket of sockets) socket.resetAndDestroy()
        await closed
      },
    }
  }
}

/** Below the range from which systems take the ports of outgoing connections: one of those could else hold the port while the service is down. */
function freePort(): number {
  return randomInt(20_000, 32_000)
}
