import { appDefinition } from '../app/index.ts'
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { failed, reasonOf, systemClock, systemRandom } from '../base/index.ts'
import { adminSession, type BackupStore, createArchiver, createReceiver, type DrillReport, drillRestore, serverFacts, slotName } from '../ops/index.ts'
import { type AttachedServer, attachServer } from '../runtime/index.ts'
import { storeOfTopology } from './backup-place.ts'
import type { Command } from './command.ts'
import { interruptedCode, interruptible } from './interrupt.ts'
import { progressLine } from './progress.ts'

export const drillCommand: Command = {
  help: `tenfold drill restore: restores the newest backup to now, beside the running database, and compares every table with it by the
number of its rows and a checksum, both at one place in the log. Says how long it took until the restored database answered (RTO),
and how much would have been lost when it was asked (RPO). Writers go on; it leaves nothing behind.
Exit code 0 when every table was the same, 1 when one was not.

--from STORE   what the topology says (backup) unless told
--directory D  where it is restored to meanwhile, such as on another disk; a folder of the data directory unless told
--json         the same for programs
`,
  options: { from: { type: 'string' }, directory: { type: 'string' }, json: { type: 'boolean' } },
  positionals: ['restore'],
  async run({ app, topology }, { values, positionals: [what] }) {
    if (what !== 'restore') throw failed('usage', `There is no drill ${JSON.stringify(what)}: use restore.`)
    const store = await storeOfTopology(topology, '--from', values['from'])
    const server = await attachServer(appDefinition(app), topology)
    const progress = progressLine('fetched')
    await mkdir(server.place, { recursive: true, mode: 0o711 })
    const shipping = server.cluster === undefined ? await receiveHere(server, store) : server.isRunning ? undefined : archiveHere(server, server.cluster, store)
    try {
      let bytes = 0
      const report = await interruptible((signal) => drillRestore({
        server: server.address, database: server.database, store, directory: resolve(typeof values['directory'] === 'string' ? values['directory'] : server.place, 'tenfold-drill'), signal,
        onStatus: progress.say, onBytes: (more) => { progress.show(bytes += more) },
      }))
      progress.end()
      if (!report) return interruptedCode
      process.stdout.write(values['json'] ? `${JSON.stringify(report, null, 2)}\n` : inWords(report))
      return report.same ? 0 : 1
    } finally {
      progress.end()
      await shipping?.close()
      await server.close()
    }
  },
}

/** Where no application's process reads the log by its slot, nobody else stores it. Where there is no slot, nobody ever did, and none is left behind. */
async function receiveHere({ address, database }: AttachedServer, store: BackupStore): Promise<{ close(): Promise<void> } | undefined> {
  const [session, slot] = [await adminSession(address), slotName(database)]
  const { rowCount } = await session.query('select from pg_replication_slots where slot_name = $1', [slot]).finally(() => session.end())
  if (rowCount === 0) return undefined
  const receiver = createReceiver({ server: async () => address, slot, store, loseAtMostMs: 60_000, clock: systemClock, random: systemRandom, onFault: (reason) => process.stderr.write(`  ${reason}\n`), onBegun() {}, onHole() {} })
  return { close: () => receiver.stop() }
}

/** Where the application does not run, nobody else stores the log. */
function archiveHere(server: AttachedServer, cluster: string, store: BackupStore): { close(): Promise<void> } {
  const stopping = new AbortController()
  const system = async () => {
    const session = await adminSession(server.address)
    return (await serverFacts(session).finally(() => session.end())).system
  }
  const archiver = createArchiver({ cluster, store, system, clock: systemClock })
  const run = async () => {
    while (!stopping.signal.aborted) {
      await archiver.pass().catch((error: unknown) => process.stderr.write(`  ${reasonOf(error)}\n`))
      await systemClock.sleep(200, stopping.signal)
    }
  }
  const running = run()
  return { async close() { stopping.abort(); await running; await archiver.close() } }
}

function inWords({ same, backup, lsn, rtoSeconds, rpoSeconds, tables, rows, segments, differences }: DrillReport): string {
  const side = (of: DrillReport['differences'][number]['running']) => (of ? `${of.rows} rows, checksum ${of.checksum}` : 'not there')
  return [
    `backup   ${backup}, and ${segments} segments of the log`,
    `RTO      ${rtoSeconds.toFixed(1)} s from nothing to a database that answers`,
    Number.isNaN(rpoSeconds) ? 'RPO      unknown: the user of the backup may not see the age of the log (grant pg_monitor to it)' : `RPO      ${rpoSeconds.toFixed(1)} s would have been lost`,
    `compared ${tables} tables with ${rows} rows, at ${lsn}`,
    ...differences.map(({ table, running, restored }) => `  ${table} differs: running ${side(running)}; restored ${side(restored)}`),
    same ? 'every table is the same' : `${differences.length} of ${tables} tables are not the same: do not trust this backup`,
  ].join('\n') + '\n'
}
