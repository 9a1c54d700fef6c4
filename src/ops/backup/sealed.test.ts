import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/index.ts'
import { openSealed, sealContent } from './sealed.ts'
import { numberOf, readHistory, segmentName, segmentOf } from './wal.ts'

test('what was sealed is what comes out, or nothing: any flipped bit, any cut, and what never was sealed', async (context) => {
  const seed = Number(process.env['TENFOLD_SEED'] ?? 1)
  context.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  for (const content of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(5_000), random.bytes(300)]) {
    const sealed = await sealContent(content)
    assert.deepEqual(await openSealed(sealed), content)
    for (let at = 0; at < sealed.length; at++) {
      const flipped = Buffer.from(sealed)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random.float() * 8))
      const opened = await openSealed(flipped)
      assert.ok(opened === undefined || opened.equals(content), `a flip at ${at} of ${sealed.length} went unseen`)
      assert.equal(await openSealed(sealed.subarray(0, at)), undefined)
    }
  }
  assert.equal(await openSealed(random.bytes(1_000)), undefined)
})

test('segments have names in the order of the log, whatever their size', () => {
  assert.equal(segmentOf(1, '0/2000028', 2 ** 24), '000000010000000000000002')
  assert.equal(segmentOf(10, 'A/FF000000', 2 ** 24), '0000000A0000000A000000FF')
  assert.equal(segmentName(2, numberOf('0000000100000000000000FF', 2 ** 24) + 1, 2 ** 24), '000000020000000100000000')
  assert.equal(segmentName(1, numberOf('000000010000000000000003', 2 ** 30) + 1, 2 ** 30), '000000010000000100000000')
  assert.deepEqual(readHistory('1\t0/5000000\tno recovery target specified\n\n2\tA/10\tbefore 2026\n'), [{ timeline: 1, leftAt: '0/5000000' }, { timeline: 2, leftAt: 'A/10' }])
  assert.deepEqual(readHistory(''), [])
})
