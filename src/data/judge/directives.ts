import { failed } from '../../base/index.ts'

/** What a file says of itself in its leading comments. */
export interface Directives {
  /** By rule: why what it forbids is right here. */
  readonly allow: ReadonlyMap<string, string>
  /** Why nothing that runs needs any more what the file takes away. Undefined: it takes nothing away. */
  readonly contract: string | undefined
  /** Rows that a backfill looks at in one transaction. */
  readonly batchRows: number | undefined
}

/** A reason of fewer words is none. */
const wordsMin = 3
const batchRowsMax = 100_000

/**
 * Reads `-- tenfold: allow RULE: why`, `-- tenfold: contract: why` and `-- tenfold: batch 5000` from the comments above the first
 * statement. Errors: `migration`, for one that is not understood, gives no reason, or names a rule that there is not.
 */
export function readDirectives(sql: string, name: string, rules: readonly string[]): Directives {
  const allow = new Map<string, string>()
  let contract: string | undefined
  let batchRows: number | undefined
  for (const line of leadingComments(sql)) {
    const said = /^--\s*tenfold:\s*(.*)$/.exec(line)?.[1]?.trim()
    if (said === undefined) continue
    const [, word = '', rule = '', why = ''] = /^(allow)\s+([\w-]+)\s*:\s*(.*)$/.exec(said) ?? /^(contract)()\s*:\s*(.*)$/.exec(said) ?? /^(batch)\s+(\d+)()$/.exec(said) ?? []
    if (word === 'batch') {
      batchRows = Number(rule)
      if (batchRows < 1 || batchRows > batchRowsMax) throw failed('migration', `The migration ${name} says batch ${rule}: use 1 to ${batchRowsMax} rows.`)
      continue
    }
    if (word === '') throw failed('migration', `The migration ${name} says ${JSON.stringify(line)}, which is not understood: write -- tenfold: allow RULE: why, -- tenfold: contract: why, or -- tenfold: batch ROWS.`)
    if (why.split(/\s+/).filter((one) => /\w/.test(one)).length < wordsMin) throw failed('migration', `The migration ${name} says ${JSON.stringify(line)} and gives no reason: say in a few words why that is right.`)
    if (word === 'contract') contract = why
    else if (rules.includes(rule)) allow.set(rule, why)
    else throw failed('migration', `The migration ${name} allows ${JSON.stringify(rule)}, which is no rule: use ${rules.join(', ')}.`)
  }
  return { allow, contract, batchRows }
}

function leadingComments(sql: string): string[] {
  const lines = sql.split(/\r?\n/).map((line) => line.trim())
  const end = lines.findIndex((line) => line !== '' && !line.startsWith('--'))
  return (end < 0 ? lines : lines.slice(0, end)).filter((line) => line.startsWith('--'))
}
