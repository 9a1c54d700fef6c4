import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openJournal } from './journal.ts'

const directory = mkdtempSync(join(tmpdir(), 'tenfold-journal-'))
after(() => rmSync(directory, { recursive: true }))

function open(file: string) {
  const heard: unknown[] = []
  return { heard, journal: openJournal<unknown>(join(directory, file), (entry) => heard.push(entry)) }
}

test('what was appended is heard once, now and after opening again', () => {
  const first = open('deep/a.jsonl')
  first.journal.append({ n: 1, text: 'two\nlines, é' })
  first.journal.append({ n: 2, text: 'x'.repeat(200_000) })
  first.journal.close()
  const second = open('deep/a.jsonl')
  assert.deepEqual(second.heard, first.heard)
  assert.equal(second.heard.length, 2)
  second.journal.close()
})

test('a torn last line is cut off, so that the next entry is whole; a spoilt one between is passed over', () => {
  writeFileSync(join(directory, 'torn.jsonl'), '{"n":1}\n{"n":\n{"n":2}\n{"n":3')
  const torn = open('torn.jsonl')
  torn.journal.append({ n: 4 })
  torn.journal.close()
  assert.deepEqual(torn.heard, [{ n: 1 }, { n: 2 }, { n: 4 }])
  assert.equal(readFileSync(join(directory, 'torn.jsonl'), 'utf8'), '{"n":1}\n{"n":\n{"n":2}\n{"n":4}\n')
})

test('what another process appends is heard, in the order of the file, also before an entry of one\'s own', () => {
  const { heard, journal } = open('shared.jsonl')
  appendFileSync(join(directory, 'shared.jsonl'), '{"n":1}\n')
  journal.catchUp()
  assert.deepEqual(heard, [{ n: 1 }])
  appendFileSync(join(directory, 'shared.jsonl'), '{"n":2}\n')
  journal.append({ n: 3 })
  assert.deepEqual(heard, [{ n: 1 }, { n: 2 }, { n: 3 }])
  journal.close()
})

test('a rewritten file holds what it was given, and what comes after', () => {
  const { heard, journal } = open('rewritten.jsonl')
  for (let n = 1; n <= 3; n++) journal.append({ n })
  journal.rewrite([{ n: 3 }])
  journal.append({ n: 4 })
  journal.close()
  assert.equal(heard.length, 4)
  assert.deepEqual(open('rewritten.jsonl').heard, [{ n: 3 }, { n: 4 }])
})
