import { mkdir } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { failed } from '../../../base/errors.ts'
import { removeDirectory, replaceFile } from '../../../base/private-files.ts'
import { waitFor } from '../../../base/process.ts'
import type { Component, ComponentPlace } from '../component.ts'
import { clusterName } from '../leftover.ts'
import { programs, requireProgram } from '../programs.ts'
import { supervise } from '../supervise.ts'
import { ordinaryUser } from '../unprivileged.ts'

export interface PgbouncerOptions {
  /** Names of databases as clients ask for them, each with the component that has it. */
  readonly databases: Readonly<Record<string, string>>
  /** What they are called there. */
  readonly database: string
  /** Who is let in, here and there. */
  readonly roles: readonly { readonly user: string; readonly password: string }[]
  /** Connections to each server at most. */
  readonly size: number
}

/** The name of its file stands in its command line, so that it is told from other people's. */
const settingsName = (directory: string) => `${clusterName(directory)}.ini`
const clientsMax = 2_000
const readyMs = 10_000

/** PgBouncer in transaction mode: a server's connection is lent for one transaction. */
export function pgbouncerComponent(name: string, options: PgbouncerOptions): Component {
  return {
    name, role: 'pooler', needs: [...new Set(Object.values(options.databases))],
    async check() { await requireProgram(programs.pgbouncer) },
    async prepare(place) { await mkdir(place.directory, { recursive: true, mode: 0o711 }) },
    async start(place) {
      const [program, port, user] = [await requireProgram(programs.pgbouncer), await place.port(), ordinaryUser()]
      await replaceFile(join(place.directory, settingsName(place.directory)), settings(options, place, port), { owner: user })
      await replaceFile(join(place.directory, 'userlist.txt'), options.roles.map(({ user: role, password }) => `"${role}" "${password.replaceAll('"', '""')}"\n`).join(''), { owner: user })
      const running = supervise(program, [settingsName(place.directory)], { directory: place.directory, user, lastSignal: 'INT', onOutput: place.log })
      let gone: string | undefined
      const ended = running.ended.then(({ log }) => gone = log)
      const ready = await waitFor(async () => gone !== undefined || await answers(port) || undefined, { timeoutMs: readyMs, everyMs: 20 })
      if (gone !== undefined || !ready) {
        running.signal('SIGKILL')
        throw failed('start', `PgBouncer did not start (${gone?.split('\n').findLast((line) => /FATAL|ERROR/.test(line))?.replace(/^.*?(FATAL|ERROR) /, '') ?? 'it did not answer'}): see its log by tenfold logs ${name}.`)
      }
      return { address: `127.0.0.1:${port}`, pid: running.pid as number, ended, async stop() { running.signal('SIGINT'); await ended } }
    },
    destroy: removeDirectory,
  }
}

// `ignore_startup_parameters`: what drivers say at the start of a session, which no server of a pool can keep for them.
function settings({ databases, database, size }: PgbouncerOptions, place: ComponentPlace, port: number): string {
  const lines = Object.entries(databases).map(([alias, component]) => {
    const [host, serverPort] = place.addressOf(component).split(':')
    return `${alias} = host=${host} port=${serverPort} dbname=${database}`
  })
  return `[databases]
${lines.join('\n')}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = userlist.txt
pool_mode = transaction
default_pool_size = ${size}
max_client_conn = ${clientsMax}
ignore_startup_parameters = extra_float_digits,options,statement_timeout,idle_in_transaction_session_timeout
server_login_retry = 0.2
query_wait_timeout = 30
log_connections = 0
log_disconnections = 0
`
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    const end = (answer: boolean) => { socket.destroy(); resolve(answer) }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })
}
