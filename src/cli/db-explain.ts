import type pg from 'pg'
import type { AppDefinition } from '../app/index.ts'
import { failed, reasonOf } from '../base/index.ts'
import { nearest } from '../base/spelling.ts'
import { knownStatement } from '../data/index.ts'
import { connected, countedStatements, type ExplainedStatement, explainStatement, leaveStanding, ms, procedureOf, sendersOf, sessionAs, standingFor } from '../ops/index.ts'
import type { Given } from './command.ts'
import { connectedReplicas, limitOf, oneLine, placeOf } from './db-place.ts'
import { cutLines, terminalColumns } from './table.ts'

export async function explainCommand(given: Given): Promise<number> {
  const { values, positionals: [, name] } = given
  const limit = limitOf(values['limit'], 5)
  if (name === undefined) throw failed('usage', 'tenfold db explain needs the name of what sends the statement, such as orders.byId: tenfold db top shows names.')
  const place = await placeOf(given)
  try {
    const client = await connected(place.connection)
    const servers = [client, ...await connectedReplicas(place)]
    try {
      await client.query(`set statement_timeout = '30s'`)
      const texts = (await textsOf(servers, name, place.app, place.connection.database)).slice(0, limit)
      const answers: (ExplainedStatement | { query: string; fault: string })[] = []
      for (const text of texts) {
        const session = await sessionAs(client, place.app ? await standingFor(client, place.app, name) : {})
        answers.push(await explainStatement(session, text, { run: values['plan'] !== true }).catch((error: unknown) => ({ query: text, fault: `It cannot be planned: ${reasonOf(error)}.` })))
        await leaveStanding(client)
      }
      process.stdout.write(values['json'] === true ? `${JSON.stringify(answers.map((answer) => 'lines' in answer ? { ...answer, lines: undefined } : answer), null, 2)}\n` : answers.map((answer) => told(answer, terminalColumns())).join('\n'))
      return 0
    } finally {
      await Promise.all(servers.map((server) => server.end()))
    }
  } finally {
    await place.close()
  }
}

/** What that name sends: its one statement where it is given as one; else what has been counted of it. Errors: `usage`, with the names that are near. */
async function textsOf(servers: readonly pg.Client[], name: string, app: AppDefinition | undefined, database: string): Promise<string[]> {
  const procedure = app && procedureOf(app, name)
  const known = procedure && knownStatement(procedure)
  if (known) return [known.text]
  const senders = app ? sendersOf(app) : undefined
  const counted = !senders || senders.includes(name) ? await countedStatements(servers, database) : []
  const own = counted.filter((statement) => statement.name === name)
  if (own.length > 0) return own.map(({ text }) => text)
  if (senders?.includes(name)) throw failed('usage', `${name} has sent no statement of its own that is counted: call it, and ask again, or ask for the procedures that it calls, which tenfold db top names.`)
  const names = senders ?? [...new Set(counted.flatMap((statement) => statement.name ?? []))]
  const near = nearest(name, names)
  throw failed('usage', `There is no ${JSON.stringify(name)}: ${near.length > 0 ? `did you mean ${near.join(', ')}?` : names.length > 0 ? `there is ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', ...' : ''}.` : 'no statement has been counted under any name.'}`)
}

/** In a terminal the statement and the plan stay on a line each; what is found wrong, and with which values, is whole. */
function told(answer: ExplainedStatement | { query: string; fault: string }, columnsMax: number | undefined): string {
  const cut = (line: string) => cutLines(line, columnsMax)
  if ('fault' in answer) return `${cut(oneLine(answer.query, 300))}\n  ${answer.fault}\n`
  const { query, values, summary, notRun, findings, lines } = answer
  const how = summary.executionMs === undefined ? `planned${notRun === undefined ? '' : `, not run: ${notRun}`}` : `${ms(summary.executionMs)}, ${summary.rowsActual} rows`
  return [
    cut(oneLine(query, 300)), `  ${how}${values && values.length > 0 ? `; with ${values.map((value, index) => `$${index + 1} = ${value}`).join(', ')}` : ''}`, '',
    ...findings.length > 0 ? findings.map(({ says }) => `  * ${says}`) : ['  nothing is wrong with this plan'], '', ...lines.map((line) => cut(`    ${line}`)), '',
  ].join('\n')
}
