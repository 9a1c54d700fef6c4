import { appDefinition } from '../app/index.ts'
import { join, resolve } from 'node:path'
import { failed, reasonOf, systemClock } from '../base/index.ts'
import { adminSession, type BackupStore, createArchiver, type DrillReport, drillRestore, serverFacts } from '../ops/index.ts'
import { type AttachedServer, attachServer, databaseName } from '../runtime/index.ts'
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
    const server = await attachServer(topology)
    const progress = progressLine('fetched')
    const archiving = server.isRunning ? undefined : archiveHere(server, store)
    try {
      let bytes = 0
      const report = await interruptible((signal) => drillRestore({
        server: server.address, database: databaseName(appDefinition(app)), store, directory: resolve(typeof values['directory'] === 'string' ? values['directory'] : server.place, 'tenfold-drill'), signal,
        onStatus: progress.say, onBytes: (more) => { progress.show(bytes += more) },
      }))
      progress.end()
      if (!report) return interruptedCode
      process.stdout.write(values['json'] ? `${JSON.stringify(report, null, 2)}\n` : inWords(report))
      return report.same ? 0 : 1
    } finally {
      progress.end()
      await archiving?.close()
      await server.close()
    }
  },
}

/** Where the application does not run, nobody else stores the log. */
function archiveHere(server: AttachedServer, store: BackupStore): { close(): Promise<void> } {
  const stopping = new AbortController()
  const system = async () => {
    const session = await adminSession(server.address)
    return (await serverFacts(session).finally(() => session.end())).system
  }
  const archiver = createArchiver({ cluster: join(server.directory, 'cluster'), store, system, clock: systemClock })
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
    `RPO      ${rpoSeconds.toFixed(1)} s would have been lost`,
    `compared ${tables} tables with ${rows} rows, at ${lsn}`,
    ...differences.map(({ table, running, restored }) => `  ${table} differs: running ${side(running)}; restored ${side(restored)}`),
    same ? 'every table is the same' : `${differences.length} of ${tables} tables are not the same: do not trust this backup`,
  ].join('\n') + '\n'
}
