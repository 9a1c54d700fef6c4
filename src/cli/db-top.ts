import { bytes, connected, counted, countedStatements, ms } from '../ops/index.ts'
import type { Given } from './command.ts'
import { connectedReplicas, limitOf, oneLine, placeOf } from './db-place.ts'
import { columns, cutLines, terminalColumns } from './table.ts'

export async function topCommand(given: Given): Promise<number> {
  const limit = limitOf(given.values['limit'], 5)
  const place = await placeOf(given)
  try {
    const servers = [await connected(place.connection), ...await connectedReplicas(place)]
    try {
      const statements = (await countedStatements(servers, place.connection.database)).slice(0, limit)
      if (given.values['json'] === true) process.stdout.write(`${JSON.stringify(statements, null, 2)}\n`)
      else process.stdout.write(statements.length === 0 ? 'no statement has been counted yet\n' : cutLines(columns([
        ['NAME', 'CALLS', 'TOTAL', 'SHARE', 'MEAN', 'MAX', 'ROWS', 'IN MEMORY', 'TO DISK', 'STATEMENT'],
        ...statements.map((one) => [one.name ?? oneLine(one.text, 30), counted(one.calls), ms(one.totalMs), `${Math.round(one.share * 100)} %`, ms(one.meanMs), ms(one.maxMs), counted(one.rows), `${Math.round(one.hitShare * 100)} %`, one.temporaryBytes > 0 ? bytes(one.temporaryBytes) : '', oneLine(one.text)]),
      ]), terminalColumns()))
      return 0
    } finally {
      await Promise.all(servers.map((server) => server.end()))
    }
  } finally {
    await place.close()
  }
}
