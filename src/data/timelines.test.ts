import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTimelines } from './timelines.ts'

const at = (timeline: number, lsn: bigint) => ({ database: 'd', timeline, lsn, at: 0 })

test('a position of an older timeline counts up to where that was left', () => {
  const timelines = createTimelines()
  const reaches = (...[replayed, wanted]: [[number, bigint], [number, bigint]]) => timelines.reaches(at(...replayed), at(...wanted))
  assert.deepEqual([reaches([1, 100n], [1, 100n]), reaches([1, 99n], [1, 100n])], [true, false])
  assert.equal(reaches([2, 500n], [1, 100n]), false, 'where nothing is known of the switch, nobody can be sure')
  timelines.learn([{ timeline: 1, leftAt: 100n }])
  assert.deepEqual([reaches([2, 500n], [1, 100n]), reaches([2, 99n], [1, 100n]), reaches([2, 500n], [1, 101n])], [true, false, false])
  assert.deepEqual([timelines.isLost(at(1, 100n)), timelines.isLost(at(1, 101n)), timelines.isLost(at(2, 101n))], [false, true, false])
  assert.equal(reaches([1, 500n], [2, 100n]), false, 'who is on an older timeline has nothing of a newer one')
})
