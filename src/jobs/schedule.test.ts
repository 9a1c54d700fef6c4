import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isTenfoldError } from '../base/index.ts'
import { nextRun } from './schedule.ts'

const at = (text: string) => Date.parse(text)
const next = (cron: string, after: string) => {
  const found = nextRun({ name: 'shop.tidy', cron }, at(after))
  return found === undefined ? undefined : new Date(found).toISOString()
}

test('a schedule is read in UTC, five fields or six', () => {
  const expected: [cron: string, after: string, next: string][] = [
    ['0 3 * * *', '2027-01-15T02:59:59.999Z', '2027-01-15T03:00:00.000Z'], ['0 3 * * *', '2027-01-15T03:00:00Z', '2027-01-16T03:00:00.000Z'],
    ['*/15 * * * *', '2027-01-15T08:14:59Z', '2027-01-15T08:15:00.000Z'], ['*/10 * * * * *', '2027-01-15T08:00:01Z', '2027-01-15T08:00:10.000Z'],
    ['0 0 29 2 *', '2027-01-15T08:00:00Z', '2028-02-29T00:00:00.000Z'], ['0 9 * * 1', '2027-01-15T08:00:00Z', '2027-01-18T09:00:00.000Z'], ['0 0 1 1 *', '2027-12-31T23:59:59Z', '2028-01-01T00:00:00.000Z'],
    // Where clocks are put forward and back, nothing is left out or done twice: UTC knows no summer.
    ['30 2 * * *', '2027-03-28T00:00:00Z', '2027-03-28T02:30:00.000Z'], ['30 1 * * *', '2027-10-31T01:30:00Z', '2027-11-01T01:30:00.000Z'],
  ]
  for (const [cron, after, found] of expected) assert.equal(next(cron, after), found, `${cron} after ${after}`)
})

test('what never comes is nothing, and not an error', () => {
  assert.equal(next('0 0 31 2 *', '2027-01-15T08:00:00Z'), undefined)
})

test('the next run is always later, and none lies between', () => {
  const cron = fc.tuple(fc.constantFrom('*', '*/7', '0', '59', '10,20', '5-9'), fc.constantFrom('*', '*/5', '3', '23'), fc.constantFrom('*', '1', '31'), fc.constantFrom('*', '2', '1-6'), fc.constantFrom('*', '0', '1-5')).map((fields) => fields.join(' '))
  fc.assert(fc.property(cron, fc.integer({ min: at('2027-01-01'), max: at('2031-01-01') }), (pattern, after) => {
    const job = { name: 'shop.tidy', cron: pattern }
    const found = nextRun(job, after)
    if (found === undefined) return
    assert.ok(found > after)
    assert.equal(found % 60_000, 0)
    assert.equal(nextRun(job, Math.floor((after + found - 1) / 2)), found, 'from halfway there it is the same')
    assert.equal(nextRun(job, found - 1), found)
  }))
})

test('what is no schedule is refused, with the job and how one is written', () => {
  for (const cron of ['', '* * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * * 13 *', 'every day', '* * * * * * * *', '*/0 * * * *', '5-1 * * * *', '* * * * mon-']) {
    assert.throws(() => next(cron, '2027-01-15T08:00:00Z'), (error: unknown) => isTenfoldError(error, 'definition') && error.cause instanceof Error
      && error.message === `The job shop.tidy has the schedule ${JSON.stringify(cron)}, which is no cron expression: write five fields, such as '0 3 * * *'.`, cron)
  }
})
