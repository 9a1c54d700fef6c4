import { join } from 'node:path'
import { appDefinition } from '../app/index.ts'
import { failed, systemRandom } from '../base/index.ts'
import { createFileKeeper, listBackups, removeOld, takeBackup, verifyStore } from '../ops/index.ts'
import { attachServer, databaseName } from '../runtime/index.ts'
import { storeOf, storeOfTopology } from './backup-place.ts'
import type { Given, LoneCommand } from './command.ts'
import { loadConfig } from './config.ts'
import { interruptedCode, interruptible } from './interrupt.ts'
import { progressLine, readableBytes } from './progress.ts'
import { columns } from './table.ts'

export const backupCommand: LoneCommand = {
  help: `tenfold backup               a full backup of the running database, or of one of one's own that is not running; readers and writers go on.
                             A server that the topology names, and a cluster of tenfold up --ha, have to run
tenfold backup list          what the store has
tenfold backup verify        reads all of it, and holds it against its checksums; exit code 1 when anything is wrong

--to STORE    a folder, or s3://bucket/prefix with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and AWS_REGION or AWS_ENDPOINT_URL;
              what the topology says (backup) unless told
--keep N      removes older backups than the newest N, and the log that only they needed; none unless told
--json        the same for programs
`,
  options: { to: { type: 'string' }, keep: { type: 'string' }, json: { type: 'boolean' } },
  positionals: ['VERB?'],
  async runAlone(given) {
    const [verb = 'make'] = given.positionals
    if (verb === 'list') return await list(given)
    if (verb === 'verify') return await verify(given)
    if (verb !== 'make') throw failed('usage', `There is no ${JSON.stringify(verb)} here: use list or verify, or nothing to make a backup.`)
    return await make(given)
  },
}

async function make({ values, ...place }: Given): Promise<number> {
  const keep = keepOf(values['keep'])
  const { app, topology } = await loadConfig(place)
  const store = await storeOfTopology(topology, '--to', values['to'])
  const [definition, home] = [appDefinition(app), databaseName(appDefinition(app))]
  const server = await attachServer(definition, topology)
  const progress = progressLine('copied')
  try {
    const made = await interruptible(async (signal) => {
      await createFileKeeper(join(server.place, 'files'), store).pass() // whatever a row refers to was there before it
      return await takeBackup({ server: server.address, store, random: systemRandom, signal, ...server.database !== home && { database: { name: server.database, home } }, onProgress: progress.show })
    })
    progress.end()
    if (!made) return interruptedCode
    const removed = keep === undefined ? { backups: [], logFiles: 0 } : await removeOld(store, made.system, keep)
    if (values['json']) process.stdout.write(`${JSON.stringify({ ...made, removed }, null, 2)}\n`)
    else {
      const seconds = (Date.parse(made.endedAt) - Date.parse(made.startedAt)) / 1000
      process.stdout.write(`${made.id} is in ${store.name}: ${readableBytes(made.bytes)}, stored as ${readableBytes(made.storedBytes)}, in ${seconds.toFixed(1)} s\n`)
      if (removed.backups.length > 0) process.stdout.write(`removed ${removed.backups.join(', ')} and ${removed.logFiles} files of the log\n`)
    }
    return 0
  } finally {
    progress.end()
    await server.close()
  }
}

function keepOf(value: string | boolean | undefined): number | undefined {
  if (value === undefined) return undefined
  const keep = Number(value)
  if (!Number.isInteger(keep) || keep < 1) throw failed('usage', `--keep is ${JSON.stringify(value)}: use a whole number from 1.`)
  return keep
}

async function list({ values, ...place }: Given): Promise<number> {
  const store = await storeOf(values['to'], place, '--to')
  const { whole, damaged } = await listBackups(store)
  if (values['json']) process.stdout.write(`${JSON.stringify({ store: store.name, backups: whole, damaged }, null, 2)}\n`)
  else if (whole.length === 0 && damaged.length === 0) process.stdout.write(`there is no backup in ${store.name}\n`)
  else {
    const rows = whole.map((one) => [one.id, one.endedAt.replace(/\.\d+Z$/, 'Z'), `Postgres ${one.postgres}`, readableBytes(one.bytes), readableBytes(one.storedBytes), `${one.end.timeline} ${one.end.lsn}`])
    process.stdout.write(columns([['ID', 'ENDED', 'OF', 'SIZE', 'STORED', 'TIMELINE, LSN'], ...rows, ...damaged.map((id) => [id, 'damaged', '', '', '', ''])]))
  }
  return 0
}

async function verify({ values, ...place }: Given): Promise<number> {
  const store = await storeOf(values['to'], place, '--to')
  const progress = progressLine('read')
  let bytes = 0
  const found = await verifyStore(store, (more) => { progress.show(bytes += more) }).finally(progress.end)
  const faults = [...found.backups.flatMap(({ fault }) => fault ?? []), ...found.logFaults, ...found.fileFaults]
  if (values['json']) process.stdout.write(`${JSON.stringify({ store: store.name, ...found }, null, 2)}\n`)
  else {
    for (const { id, fault } of found.backups) process.stdout.write(`${id}  ${fault ? 'damaged' : 'whole'}\n`)
    process.stdout.write(`${found.logFiles} files of the log, ${found.files} uploaded files\n${faults.map((fault) => `  ${fault}\n`).join('')}${faults.length === 0 ? 'nothing is wrong' : `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`}\n`)
  }
  return faults.length === 0 ? 0 : 1
}
