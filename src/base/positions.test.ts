import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseLsn, type Position, positionLifeMs, Positions, positionsMax } from './positions.ts'
import { seal } from './sealing.ts'

const key = Buffer.alloc(32, 1)
const now = 1_800_000_000_000
const at = (lsn: bigint, more: Partial<Position> = {}): Position => ({ database: 'main', timeline: 1, lsn, at: now, ...more })
function of(...list: Position[]): Positions {
  const positions = new Positions()
  for (const position of list) positions.advance(position)
  return positions
}
const overTheWire = (positions: Positions, nowMs = now) => Positions.unseal(key, positions.seal(key, now), nowMs)

test('a caller only ever sees more', () => {
  const positions = of(at(5n), at(3n))
  assert.equal(positions.at('main')?.lsn, 5n)
  positions.advance(at(9n))
  assert.equal(positions.at('main')?.lsn, 9n)
  assert.equal(positions.at('other'), undefined)
})

test('what is added to a copy is in the copy alone, and so the other way round', () => {
  const first = of(at(5n))
  const second = first.copy()
  assert.deepEqual([second.at('main')?.lsn, second.advanced], [5n, false])
  second.advance(at(6n))
  first.advance(at(7n, { database: 'other' }))
  assert.deepEqual([first.at('main')?.lsn, first.at('other')?.lsn, second.at('main')?.lsn, second.at('other')], [5n, 7n, 6n, undefined])
  assert.equal(new Positions().copy().at('main'), undefined)
})

test('a later timeline is further than any position of an earlier one', () => {
  const positions = of(at(900n), at(10n, { timeline: 2 }))
  assert.deepEqual([positions.at('main')?.timeline, positions.at('main')?.lsn], [2, 10n])
  positions.advance(at(901n))
  assert.deepEqual([positions.at('main')?.timeline, positions.at('main')?.lsn], [2, 10n], 'what comes late from the old primary is nothing')
})

test('it says whether anything is new, so that a token is only sent when it is', () => {
  const positions = overTheWire(of(at(5n)))
  assert.equal(positions.advanced, false)
  positions.advance(at(5n))
  assert.equal(positions.advanced, false)
  positions.advance(at(6n))
  assert.equal(positions.advanced, true)
})

const position = fc.record({ database: fc.constantFrom('a', 'b', 'c'), timeline: fc.integer({ min: 1, max: 3 }), lsn: fc.bigInt({ min: 0n, max: 100n }), at: fc.constant(now) }, { noNullPrototype: true })

test('merging is taking the furthest of each, in any order', () => {
  fc.assert(fc.property(fc.array(position), fc.array(position), (ones, others) => {
    const [one, other, all] = [of(...ones), of(...others), of(...others, ...ones)]
    one.merge(of(...others))
    other.merge(of(...ones))
    for (const database of ['a', 'b', 'c']) {
      assert.deepEqual(one.at(database), all.at(database))
      assert.deepEqual(other.at(database), all.at(database))
    }
  }))
})

test('a token says all of it again', () => {
  fc.assert(fc.property(fc.array(position), (list) => {
    const positions = of(...list)
    const there = overTheWire(positions)
    for (const database of ['a', 'b', 'c']) assert.deepEqual(there.at(database), positions.at(database))
  }))
  const far = of(at(0xffff_ffff_ffff_ffffn))
  assert.equal(overTheWire(far).at('main')?.lsn, 0xffff_ffff_ffff_ffffn)
})

test('a ninth database makes it: read primaries until the ninth no longer matters', () => {
  const positions = of(...Array.from({ length: positionsMax }, (_, index) => at(1n, { database: `s${index}` })))
  assert.equal(positions.primaryUntil, 0)
  positions.advance(at(7n, { database: 's0' }))
  assert.equal(positions.primaryUntil, 0, 'one that is known may go on')
  positions.advanced = false
  positions.advance(at(1n, { database: 'ninth', at: now + 5 }))
  assert.equal(positions.at('ninth'), undefined)
  assert.equal(positions.primaryUntil, now + 5 + positionLifeMs)
  assert.equal(positions.advanced, true)
  const there = overTheWire(positions)
  assert.equal(there.primaryUntil, now + 5 + positionLifeMs)
  assert.equal(there.at('s0')?.lsn, 7n)
  const merged = new Positions()
  merged.merge(there)
  assert.equal(merged.primaryUntil, there.primaryUntil)
})

test('a token of eight databases is short enough to be carried, and read', () => {
  const positions = of(...Array.from({ length: positionsMax }, (_, index) => at(0xffff_ffff_ffffn, { database: `shard-${index}-of-a-long-name-in-a-far-region` })))
  const token = positions.seal(key, now)
  assert.ok(token.length < 2_000, `${token.length} characters`)
  assert.equal(Positions.unseal(key, token, now).at('shard-7-of-a-long-name-in-a-far-region')?.lsn, 0xffff_ffff_ffffn)
})

test('after ten minutes a position says nothing', () => {
  const positions = of(at(5n), at(6n, { database: 'young', at: now + 1 }))
  const token = positions.seal(key, now)
  assert.equal(Positions.unseal(key, token, now + positionLifeMs - 1).at('main')?.lsn, 5n)
  const later = Positions.unseal(key, token, now + positionLifeMs)
  assert.deepEqual([later.at('main'), later.at('young')?.lsn], [undefined, 6n])
  assert.equal(Positions.unseal(key, positions.seal(key, now + positionLifeMs), now).at('main'), undefined, 'nor is it sent')
})

test('a token that is forged, torn, of another key or far too long says nothing', () => {
  const token = of(at(5n)).seal(key, now)
  const [body = '', mac = ''] = token.split('.')
  const forged = `${Buffer.from(JSON.stringify([now * 2, [['main', 9, 'ff', now]]])).toString('base64url')}.${mac}`
  for (const wrong of ['', '.', 'x', body, token.slice(0, -3), forged, of(at(5n)).seal(Buffer.alloc(32, 2), now), seal(key, JSON.stringify([0, [['main', 1, '5', now]]]) + ' '.repeat(4_096))]) {
    const positions = Positions.unseal(key, wrong, now)
    assert.deepEqual([positions.at('main'), positions.primaryUntil, positions.advanced], [undefined, 0, false], wrong.slice(0, 80))
  }
})

test('an LSN is two halves of 32 bits', () => {
  assert.equal(parseLsn('16/B374D848'), 0x16_b374_d848n)
  assert.equal(parseLsn('0/0'), 0n)
  assert.equal(parseLsn('FFFFFFFF/FFFFFFFF'), 0xffff_ffff_ffff_ffffn)
  assert.ok(parseLsn('1/0') > parseLsn('0/FFFFFFFF'))
})
