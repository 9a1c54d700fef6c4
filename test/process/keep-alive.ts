/** Clients as a browser or a balancer is one: each holds a connection open and sends one request behind the other on it. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface Sent { readonly method?: 'GET' | 'POST'; readonly path: string; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }

/** An answer, or how there came to be none: `refused` when nobody listened any more. */
export type Outcome =
  | { readonly kind: 'answered'; readonly sent: Sent; readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string }
  | { readonly kind: 'refused' }
  | { readonly kind: 'broken'; readonly sent: Sent; readonly code: string; readonly reused: boolean }

export interface KeepAliveClient {
  send(sent: Sent): Promise<Outcome>
  close(): void
}

export function keepAliveClient(url: string): KeepAliveClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const { hostname, port } = new URL(url)
  return {
    send: (sent) => new Promise((resolve) => {
      const { method = 'GET', path, body, headers = {} } = sent
      const text = body === undefined ? undefined : JSON.stringify(body)
      const asked = request({ hostname, port, method, path, agent, headers: { ...headers, ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) } })
      const broken = (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED' ? { kind: 'refused' } : { kind: 'broken', sent, code: error.code ?? error.message, reused: asked.reusedSocket })
      asked.on('error', broken)
      asked.on('response', (answer) => {
        let answered = ''
        answer.setEncoding('utf8').on('data', (part: string) => { answered += part })
        answer.on('error', broken)
        answer.on('end', () => resolve({ kind: 'answered', sent, status: answer.statusCode ?? 0, headers: answer.headers, text: answered }))
      })
      asked.end(text)
    }),
    close: () => agent.destroy(),
  }
}
