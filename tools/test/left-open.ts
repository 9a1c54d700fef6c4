/**
 * Loaded before each test file. A file that leaves a pool, a server or a timer open would hold up the whole run for ever:
 * `node --test` waits, whatever its time limit. Here it fails instead, and says what is open.
 */
import { after } from 'node:test'

/** Long enough for the file's own `after` hooks, which come later. */
const graceMs = Number(process.env['TENFOLD_TEST_GRACE_MS'] ?? 30_000)

// What a test forks inherits this flag, and is no test file.
const file = process.argv[1] ?? ''
if (process.env['NODE_TEST_CONTEXT'] && file.endsWith('.test.ts')) after(() => {
  setTimeout(() => {
    const open = process.getActiveResourcesInfo().filter((resource) => resource !== 'PipeWrap' && resource !== 'TTYWrap')
    console.error(`${file} is done, but ${graceMs / 1000} s later its process still runs: close what it opened (${open.join(', ')}).`)
    process.exit(1)
  }, graceMs).unref()
})
