import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { deriveKey, seal, unseal } from './sealing.ts'

const key = Buffer.alloc(32, 1)

test('what was sealed with a key is read with it, and travels in URLs and headers', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (payload) => {
    const sealed = seal(key, payload)
    assert.match(sealed, /^[\w-]+\.[\w-]{22}$/)
    assert.equal(unseal(key, sealed), payload)
  }))
})

test('what was changed, cut, lengthened, or sealed with another key says nothing', () => {
  const sealed = seal(key, JSON.stringify([1, ['main', 7]]))
  const [body = '', mac = ''] = sealed.split('.')
  for (let index = 0; index < sealed.length - 1; index++) {
    const other = sealed[index] === 'A' ? 'B' : 'A'
    assert.equal(unseal(key, `${sealed.slice(0, index)}${other}${sealed.slice(index + 1)}`), undefined, `changed at ${index}`)
    assert.equal(unseal(key, sealed.slice(0, index)), undefined, `cut at ${index}`)
  }
  for (const wrong of ['', '.', body, `${body}.`, `.${mac}`, `${body}.${mac}${mac}`, `${body}${body}.${mac}`, `${body}.${body}.${mac}`]) assert.equal(unseal(key, wrong), undefined, wrong)
  assert.equal(unseal(Buffer.alloc(32, 2), sealed), undefined)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => { assert.equal(unseal(key, text), undefined) }))
})

test('each purpose has a key of its own, the same in every process that has the secret', () => {
  const secret = Buffer.alloc(32, 3)
  const derived = deriveKey(secret, 'positions')
  assert.equal(derived.length, 32)
  assert.deepEqual(deriveKey(secret, 'positions'), derived)
  assert.notDeepEqual(deriveKey(secret, 'cursors'), derived)
  assert.notDeepEqual(deriveKey(Buffer.alloc(32, 4), 'positions'), derived)
  assert.equal(unseal(deriveKey(secret, 'cursors'), seal(derived, 'x')), undefined, 'what one purpose sealed is nothing to another')
})
