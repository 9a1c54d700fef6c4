import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isTenfoldError } from './errors.ts'
import { resolveSecret } from './secrets.ts'

const refused = (message: RegExp) => (error: unknown) => isTenfoldError(error, 'secret') && message.test(error.message)

test('a secret comes from the environment', () => {
  assert.equal(resolveSecret('env:DB', 'data.primary', { DB: 'postgres://u:p@h/db' }), 'postgres://u:p@h/db')
  for (const environment of [{}, { DB: '' }, { DB: undefined }]) {
    assert.throws(() => resolveSecret('env:DB', 'data.primary', environment), refused(/^data\.primary refers to the environment variable DB, which is not set: set it and start again\.$/))
  }
})

test('a secret comes from a file, without the line end that editors add', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'tenfold-secret-'))
  context.after(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'password'), 'hunter2\n')
  assert.equal(resolveSecret(`file:${directory}/password`, 'secret'), 'hunter2')
  assert.throws(() => resolveSecret(`file:${directory}/none`, 'secret'), (error: unknown) => refused(/^secret refers to the file .*none, which cannot be read/)(error) && (error as Error).cause instanceof Error)
})

test('what this version cannot read is refused, and what is no reference is itself', () => {
  assert.throws(() => resolveSecret('vault:db', 'data.primary'), refused(/vault, which this version cannot read yet/))
  assert.equal(resolveSecret('http://localhost:1', 'dependencies.gateway.url'), 'http://localhost:1')
})
