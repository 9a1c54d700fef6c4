/** Every snippet of every guide is type-checked and run: those of one page, in their order, are one program. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'

const root = join(import.meta.dirname, '../..')
const guides = join(root, 'docs/guides')
// Inside the repository, so that 'tenfold' is found as it is from a user's file.
const place = join(root, `.guides-${process.pid}`)
after(() => rmSync(place, { recursive: true, force: true }))

interface Page { readonly name: string; readonly program: string; readonly files: ReadonlyMap<string, string>; readonly others: readonly string[] }

function readPage(file: string): Page {
  const blocks = [...readFileSync(join(guides, file), 'utf8').matchAll(/^```(\S*) ?(.*)\n([^]*?)^```$/gm)].map(([, language = '', path = '', text = '']) => ({ language, path, text }))
  return {
    name: file.replace(/\.md$/, ''), program: blocks.filter(({ language }) => language === 'ts').map(({ text }) => text).join('\n'),
    files: new Map(blocks.filter(({ language, path }) => language === 'sql' && path).map(({ path, text }) => [path, text])),
    others: blocks.filter(({ language, path }) => language !== 'ts' && !(language === 'sql' && path)).map(({ language }) => language),
  }
}

const pages = readdirSync(guides).filter((file) => file.endsWith('.md')).toSorted().map(readPage)
for (const { name, program, files } of pages) {
  mkdirSync(join(place, name), { recursive: true })
  for (const [path, text] of files) {
    mkdirSync(dirname(join(place, name, path)), { recursive: true })
    writeFileSync(join(place, name, path), text)
  }
  // Imports may stand where they are first needed.
  writeFileSync(join(place, name, 'guide.ts'), program)
}

test('there is a guide for each verb, for one tier alone, for backups, changing tables and slow queries; each is a program and nothing else', () => {
  assert.deepEqual(pages.map(({ name }) => name), ['action', 'backups', 'command', 'dependency', 'event', 'job', 'migrations', 'one-tier', 'query', 'routes', 'slow-queries'])
  for (const { name, program, others } of pages) {
    assert.deepEqual(others, [], `${name}: a block that no test runs`)
    assert.match(program, /assert\./, `${name} shows nothing`)
  }
})

test('the snippets are right in the compiler\'s eyes', async () => {
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ extends: '../tsconfig.json', compilerOptions: { noUnusedLocals: false }, include: ['./**/*.ts'] }))
  const { error, output } = await new Promise<{ error: Error | null; output: string }>((resolve) => { execFile(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', place], (failure, stdout) => resolve({ error: failure, output: stdout })) })
  assert.equal(error, null, output)
})

for (const { name } of pages) {
  test(`docs/guides/${name}.md does what it says`, async () => { await import(pathToFileURL(join(place, name, 'guide.ts')).href) })
}
