import { once } from 'node:events'
import { createServer } from 'node:net'
import { failed } from '../base/errors.ts'

/**
 * Says before a long start, and in words, what listening would say only at its end.
 * @param settingName where the port is set, such as `PORT`. Errors, all `start`: it is in use; it is not for this user; no such address.
 */
export async function assertPortFree(host: string, port: number, settingName: string): Promise<void> {
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
  } catch (error) {
    throw refusal(error as NodeJS.ErrnoException, host, port, settingName)
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
}

function refusal(cause: NodeJS.ErrnoException, host: string, port: number, settingName: string): Error {
  if (cause.code === 'EADDRINUSE') return failed('start', `Port ${port} is in use: stop what uses it, or set ${settingName} to another.`, { cause })
  if (cause.code === 'EACCES') return failed('start', `Port ${port} is not open to this user: set ${settingName} to one of 1024 or more.`, { cause })
  if (cause.code === 'ERR_SOCKET_BAD_PORT') return failed('start', `${port} is no port: set ${settingName} to one from 1 to 65535.`, { cause })
  if (cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND') return failed('start', `This machine has no address ${host} to listen on: give one that it has, such as 127.0.0.1.`, { cause })
  return failed('start', `Port ${port} of ${host} cannot be listened on (${cause.code}): set ${settingName} to another.`, { cause })
}
