import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isTenfoldError } from './errors.ts'
import { bytes, type Duration, milliseconds, type Rate, rate, type Size } from './units.ts'

const refused = (message: RegExp) => (error: unknown) => isTenfoldError(error, 'definition') && message.test(error.message)

test('durations are read in milliseconds', () => {
  const read: Partial<Record<Duration, number>> = { '250ms': 250, '1s': 1_000, '1.5s': 1_500, '15m': 900_000, '2h': 7_200_000, '7d': 604_800_000, '0ms': 0, '0.5ms': 0.5 }
  for (const [text, expected] of Object.entries(read)) assert.equal(milliseconds(text as Duration), expected, text)
})

test('what is no duration is refused, with the name of the setting and how one is written', () => {
  for (const wrong of ['', '15', 'm', '15 m', '15min', '-1s', '1e3ms', '.5s', '1.s', 'Infinitys', 'NaNms', '15M', '1h30m', ' 1s', '1s\n', '١s']) {
    assert.throws(() => milliseconds(wrong as Duration, `orders.place's timeout`), refused(/^orders\.place's timeout is ".*": write a number and ms, s, m, h or d, such as '15m'\.$/), JSON.stringify(wrong))
  }
})

test('rates are read as how many in how many milliseconds', () => {
  assert.deepEqual([rate('600/min'), rate('1/s'), rate('10000/h')], [{ count: 600, perMs: 60_000 }, { count: 1, perMs: 1_000 }, { count: 10_000, perMs: 3_600_000 }])
  for (const wrong of ['', '600', '/min', '600/m', '600/day', '0/s', '-1/s', '1.5/s', '1e3/s', '600 / min']) {
    assert.throws(() => rate(wrong as Rate, 'rateLimit.perAddress'), refused(/^rateLimit\.perAddress is .*such as '600\/min'\.$/), wrong)
  }
})

test('sizes are read in bytes', () => {
  assert.deepEqual([bytes('1kb'), bytes('5mb'), bytes('2gb'), bytes('1.5kb'), bytes('0.0005kb')], [1024, 5 * 1024 ** 2, 2 * 1024 ** 3, 1536, 0])
  for (const wrong of ['', '5', '5b', '5MB', '-5mb', '5 mb', '1e3kb']) assert.throws(() => bytes(wrong as Size, 'cache.memory'), refused(/^cache\.memory is .*such as '5mb'\.$/), wrong)
})
