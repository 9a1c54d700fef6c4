import { existsSync, readFileSync } from 'node:fs'
import type pg from 'pg'
import type { AppDefinition } from '../app/index.ts'
import { failed } from '../base/index.ts'
import { advise, availableOn, connected, countedStatements, hypotheticalWorkshop, leaveStanding, review, type Review, type StatementAdvice, standingFor, type Standing, statementsOf, throwawayWorkshop, trialOfCopy, trialOfSchema, type Workshop, writesOn } from '../ops/index.ts'
import type { Given } from './command.ts'
import { connectedReplicas, limitOf, oneLine, placeOf, say } from './db-place.ts'
import { interruptedCode, interruptible } from './interrupt.ts'

interface Advice extends Omit<Review, 'foreignKeys'> {
  readonly statements: readonly StatementAdvice[]
  readonly foreignKeys: readonly (Review['foreignKeys'][number] & { readonly proof: StatementAdvice | undefined })[]
}

export async function adviseCommand(given: Given): Promise<number> {
  const { values } = given
  const limit = limitOf(values['limit'], 10)
  const onSchema = values['schema'] !== undefined
  if (!onSchema && (values['query'] !== undefined || values['with'] !== undefined)) throw failed('usage', '--query and --with need --schema SCHEMA.sql: the tables, and the statements that fill them.')
  if (onSchema && values['url'] !== undefined) throw failed('usage', 'Use --schema, for a database of its own, or --url, for one that is there; not both.')
  const advice = await interruptible((signal) => onSchema ? onOwnSchema(given, signal) : onDatabase(given, limit, signal))
  if (!advice) return interruptedCode
  process.stdout.write(values['json'] === true ? `${JSON.stringify(advice, null, 2)}\n` : told(advice))
  return 0
}

async function onOwnSchema({ values }: Given, signal: AbortSignal): Promise<Advice> {
  const sources = (['schema', 'with'] as const).flatMap((name) => values[name] === undefined ? [] : [textOf(String(values[name]), name)])
  const query = values['query'] === undefined ? undefined : textOf(String(values['query']), 'query')
  const statements = query ? await statementsOf(query.text, query.where) : []
  const trial = await trialOfSchema(sources, { onStatus: say, signal })
  try {
    return await adviceOn(trial.client, await review(trial.client, { usedBy: undefined }), statements, () => throwawayWorkshop(trial.client), { sameCollation: false })
  } finally {
    await trial.close()
  }
}

/** A file, or SQL itself. */
function textOf(given: string, option: string): { text: string; where: string } {
  if (existsSync(given)) return { text: readFileSync(given, 'utf8'), where: given }
  if (option === 'schema' || /^[\w./-]+\.sql$/.test(given)) throw failed('usage', `There is no ${given}: --${option} takes ${option === 'schema' ? 'a file' : 'SQL, or a file of it'}.`)
  return { text: given, where: `--${option}` }
}

async function onDatabase(given: Given, limit: number, signal: AbortSignal): Promise<Advice> {
  const place = await placeOf(given)
  const { connection, app, close } = place
  try {
    const live = await connected(connection, signal)
    const servers = [live, ...await connectedReplicas(place, signal)]
    try {
      for (const server of servers) await server.query(`set statement_timeout = '30s'`)
      const found = await review(live, { usedBy: servers })
      // What an application sends says whose it is; the rest is the platform's own.
      const isTheirs = (name: string | undefined) => name === undefined ? app === undefined : !name.startsWith('tenfold (')
      const statements = (await countedStatements(servers, connection.database)).filter(({ text, name }) => /^\s*(select|with|update|delete|merge)\b/i.test(text) && isTheirs(name)).slice(0, limit)
      const about = { sameCollation: true, writes: await writesOn(live) }
      const hypothetical = await hypotheticalWorkshop(live)
      if (hypothetical) {
        try {
          return await adviceOn(live, found, statements, async (name) => hypothetical.as(await standing(live, app, name)), about)
        } finally {
          await hypothetical.close()
        }
      }
      const trial = await trialOfCopy(connection, { onStatus: say, signal })
      try {
        return await adviceOn(trial.client, found, statements, async (name) => throwawayWorkshop(trial.client, await standing(trial.client, app, name)), about)
      } finally {
        await trial.close()
      }
    } finally {
      await Promise.all(servers.map((server) => server.end()))
    }
  } finally {
    await close()
  }
}

async function standing(client: pg.Client, app: AppDefinition | undefined, name: string | undefined): Promise<Standing> {
  return app ? standingFor(client, app, name) : {}
}

async function adviceOn(client: pg.Client, found: Review, statements: readonly { text: string; name?: string | undefined; calls?: number; totalMs?: number }[], workshopFor: (name?: string) => Promise<Workshop>, about: Parameters<typeof availableOn>[1]): Promise<Advice> {
  const available = await availableOn(client, about)
  const advices: StatementAdvice[] = []
  for (const { text, name, calls, totalMs } of statements) {
    advices.push(await advise(await workshopFor(name), { text, name, ...calls === undefined ? {} : { calls }, ...totalMs === undefined ? {} : { totalMs } }, available))
    await leaveStanding(client)
  }
  const foreignKeys = []
  for (const key of found.foreignKeys.slice(0, 20)) {
    // The check of the key, as Postgres itself asks it; as its owner, whom no row security holds.
    foreignKeys.push({ ...key, proof: key.rows < 1_000 ? undefined : await advise(await throwaway(client, workshopFor), { text: key.probe }, available) })
    await leaveStanding(client)
  }
  return { statements: advices, foreignKeys, duplicates: found.duplicates, unused: found.unused }
}

/** In no application's name. */
async function throwaway(client: pg.Client, workshopFor: (name?: string) => Promise<Workshop>): Promise<Workshop> {
  const workshop = await workshopFor()
  await leaveStanding(client)
  return { ...workshop, outside: (work) => work() }
}

function told({ statements, foreignKeys, duplicates, unused }: Advice): string {
  const lines: string[] = []
  const section = (title: string, entries: readonly (readonly string[])[]) => {
    if (entries.length > 0) lines.push(title, '', ...entries.flatMap((entry) => [...entry, '']))
  }
  section('STATEMENTS', statements.map((one) => [`${one.name === undefined ? '' : `${one.name}: `}${oneLine(one.query, 200)}`, ...one.proposals.length > 0 ? one.proposals.flatMap(proposal) : [`  ${one.says}`], ...one.rewrites.length > 0 && one.proposals.length > 0 ? one.rewrites.map(({ from, to, why }) => `  also, instead of ${from} write ${to}: ${why}.`) : [], ...one.notServing.map(({ index, why }) => `  ${index} does not serve: ${why}.`)]))
  section('FOREIGN KEYS WITHOUT AN INDEX', foreignKeys.map(({ constraint, table, says, sql, proof }) => [`${table}, ${constraint}`, `  ${sql};`, `  ${says}`, ...proof?.proposals[0] ? [`  ${proof.proposals[0].saves[0]?.toUpperCase()}${proof.proposals[0].saves.slice(1)}`] : []]))
  section('INDEXES THAT ANOTHER MAKES NEEDLESS', duplicates.map(({ index, table, sql, says }) => [`${index} on ${table}`, `  ${sql};`, `  ${says}`]))
  section('INDEXES THAT NOBODY USES', unused.map(({ index, table, sql, says }) => [`${index} on ${table}`, `  ${sql};`, `  ${says}`]))
  return lines.length === 0 ? 'nothing to advise: no statement has been counted, and the indexes are in order\n' : lines.join('\n')
}

function proposal({ sql, first, afterwards, saves, writes }: StatementAdvice['proposals'][number]): string[] {
  return [...first === undefined ? [] : [`  ${first};`], `  ${sql};`, ...afterwards === undefined ? [] : [`  ${afterwards};`], `  ${saves[0]?.toUpperCase()}${saves.slice(1)}`, `  ${writes}`]
}
