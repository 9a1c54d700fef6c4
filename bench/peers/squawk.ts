/** squawk with every rule that is about locks; without those about style, timeouts (they stand in the runner), and what takes something away. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { contend } from '../contender.ts'
import { share, truths } from '../ddl/score.ts'

const notOfLocks = ['require-lock-timeout', 'require-statement-timeout', 'prefer-robust-stmts', 'prefer-bigint-over-int', 'prefer-bigint-over-smallint', 'prefer-identity', 'prefer-text-field', 'prefer-timestamp-tz', 'ban-char-field', 'ban-drop-table', 'ban-drop-column', 'ban-drop-not-null', 'ban-truncate-cascade', 'renaming-table', 'renaming-column', 'require-concurrent-partition-detach']

await contend(async ({ directory }) => {
  const files = truths.map(({ id, ddl }) => { const path = join(directory, `${id}.sql`); writeFileSync(path, `${ddl};\n`); return path })
  return {
    measure: (what) => new Promise((resolve, reject) => {
      // Exit code 1: it found something.
      execFile(join(import.meta.dirname, '../node_modules/.bin/squawk'), ['--reporter', 'json', '--pg-version', '15', '--exclude', notOfLocks.join(','), ...files], (error, output) => {
        try {
          resolve(share(what, new Set((JSON.parse(output) as { file: string }[]).map(({ file }) => file.replace(/^.*\/|\.sql$/g, '')))))
        } catch { reject(error ?? new Error(output)) }
      })
    }),
  }
})
