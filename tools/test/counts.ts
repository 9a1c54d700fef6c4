/**
 * A reporter of `node --test` that writes what `tools/test.ts` counts: a line of JSON for each summary, and an empty line for any
 * other event, so that a file that stands still tells that nothing happens.
 */
interface Summary { readonly file?: string; readonly counts: { tests: number; passed: number; failed: number; cancelled: number; skipped: number; todo: number } }

export interface Counts { passed: number; failed: number; skipped: number }

export default async function* reportCounts(events: AsyncIterable<{ type: string; data: unknown }>): AsyncGenerator<string> {
  for await (const { type, data } of events) yield type === 'test:summary' ? `${JSON.stringify(data)}\n` : '\n'
}

/** Without the last summary, of all files together, the run was cut off: `undefined`. */
export function readCounts(report: string): { counts: Counts; filesWithoutTests: string[] } | undefined {
  const summaries = report.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Summary)
  const all = summaries.find(({ file }) => file === undefined)?.counts
  if (!all) return undefined
  // Node counts such a file as one test that has passed.
  const filesWithoutTests = summaries.flatMap(({ file, counts }) => file !== undefined && counts.tests === 0 ? [file] : [])
  const empty = filesWithoutTests.length
  return { counts: { passed: all.passed - empty, failed: all.failed + all.cancelled + empty, skipped: all.skipped + all.todo }, filesWithoutTests }
}

export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
