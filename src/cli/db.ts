import { failed } from '../base/index.ts'
import type { LoneCommand } from './command.ts'
import { adviseCommand } from './db-advise.ts'
import { explainCommand } from './db-explain.ts'
import { topCommand } from './db-top.ts'

const verbs = { top: topCommand, explain: explainCommand, advise: adviseCommand } as const

export const dbCommand: LoneCommand = {
  help: `tenfold db top              the statements that take most time in all, named by the procedure that sends them
tenfold db explain NAME     how the statements of a procedure are worked on, and what is wrong with that, in words
tenfold db advise           indexes that are missing, each proven; those that nobody uses or that another makes needless;
                            foreign keys without one. Nothing is tried on the database itself: with hypopg an index exists for
                            the planner alone; else on a copy, which reads the database once and needs its size in ${'$'}TMPDIR
tenfold db advise --query SQL|FILE --schema SCHEMA.sql
                            the same for these statements, on a database of its own with that schema and the rows that it makes

  --limit N                 how many statements (top 5, explain 5, advise 10; 100 at most)
  --plan                    explain: only plan, run nothing. Else what reads is run, with values that are there, and taken back
  --with SQL|FILE           after the schema, such as an index that is there already
  --url URL                 a database that no application of this folder runs: postgres://..., or env:NAME
  --json                    for programs

It may be used beside the application. A terminal shows of a table what it has room for; piped it is whole.
`,
  options: { json: { type: 'boolean' }, limit: { type: 'string' }, plan: { type: 'boolean' }, query: { type: 'string' }, schema: { type: 'string' }, with: { type: 'string' }, url: { type: 'string' } },
  positionals: ['VERB', 'NAME?'],
  async runAlone(given) {
    const [verb = '', name] = given.positionals
    if (!Object.hasOwn(verbs, verb)) throw failed('usage', `There is no ${JSON.stringify(verb)} here: use top, explain with a name, or advise.`)
    if (verb !== 'explain' && name !== undefined) throw failed('usage', `tenfold db ${verb} takes no ${JSON.stringify(name)}: tenfold db --help says what it takes.`)
    return verbs[verb as keyof typeof verbs](given)
  },
}
