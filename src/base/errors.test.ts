import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorTable } from './errors.ts'

const root = join(import.meta.dirname, '../..')
const source = (readdirSync(join(root, 'src'), { recursive: true }) as string[]).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.endsWith('base/errors.ts')).map((file) => readFileSync(join(root, 'src', file), 'utf8')).join('\n')

test('ERRORS.md says of each error what the table says, in its order, and of no other', () => {
  const page = readFileSync(join(root, 'ERRORS.md'), 'utf8')
  const sections = [...page.matchAll(/^## (\S+)\n\n(\d+)(, retryable)?\. (.*)$/gm)].map(([, code, status, retryable, text]) => ({ code, status: Number(status), retryable: retryable !== undefined, text: text ?? '' }))
  assert.deepEqual(sections.map(({ code, status, retryable }) => ({ code, status, retryable })), Object.entries(errorTable).map(([code, { status, retryable }]) => ({ code, status, retryable })))
  for (const [code, { title }] of Object.entries(errorTable)) assert.ok(sections.find((section) => section.code === code)?.text.startsWith(`${title}. `), `${code} has another title on the page`)
})

test('each error of the table is raised somewhere', () => {
  const unused = Object.keys(errorTable).filter((code) => !source.includes(`'${code}'`))
  assert.deepEqual(unused, [])
})
