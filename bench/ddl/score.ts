/** What a linter says of statements whose danger was measured (measure.ts), as a share in percent. */
import { lines, type Truth } from './measure.ts'

export const truths = lines<Truth>('truth.jsonl')

/** It blocks writers, or more, for as long as a table is large. TRUNCATE gives a table a new file too, and writes nothing into it. */
export function isDangerous({ ddl, blocks_writes, table_rewrite, file_replaced, verify_scan, own_index_builds }: Truth): boolean {
  return blocks_writes && !ddl.startsWith('truncate') && (table_rewrite || file_replaced.length > 0 || verify_scan || own_index_builds > 0)
}

/** `right`: of all statements, those judged as they are; `found`: of the dangerous ones, those called so. */
export function share(what: string, warned: ReadonlySet<string>): number {
  const counted = what === 'found' ? truths.filter(isDangerous) : truths
  return 100 * counted.filter((truth) => warned.has(truth.id) === isDangerous(truth)).length / counted.length
}
