import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemRandom } from '../../src/base/index.ts'
import { benchOn, judgeFile } from '../../src/data/judge/judge.ts'
import { parseStatements } from '../../src/data/judge/parse.ts'
import { withScratch } from '../../src/data/judge/scratch.ts'
import { contend } from '../contender.ts'
import { share, truths } from '../ddl/score.ts'

/** What takes something away from a running version is no question of locks, and nothing measured says it. */
const ofLocks = new Set<string | null>(['rewrite', 'scan', 'index-build', 'refresh'])

await contend(async ({ postgres }) => {
  if (!postgres) throw new Error('The judge tries statements on a Postgres, and was given none.')
  const schema = readFileSync(join(import.meta.dirname, '../ddl/schema.sql'), 'utf8')
  return {
    measure: (what) => withScratch(postgres, systemRandom, async (client) => {
      const warned = new Set<string>()
      for (const { id, ddl, setup } of truths) {
        await client.query('drop schema public cascade; create schema public; set search_path to public')
        await client.query(schema)
        if (setup) await client.query(setup)
        const judged = await judgeFile(await benchOn(client), await parseStatements(ddl, id), { allow: new Map(), contract: undefined })
        if (judged.some(({ rule }) => ofLocks.has(rule))) warned.add(id)
      }
      return share(what, warned)
    }),
  }
})
