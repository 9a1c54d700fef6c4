import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** An append-only file of JSON lines. Whoever opens it hears every entry once, in order: the old, its own, and another process's. */
export interface Journal<Entry> {
  /** Written (not synced to the disk) and heard when this returns; when it throws, nothing of it is left in the file. */
  append(entry: Entry): void
  /** Hears what another process has appended since. */
  catchUp(): void
  /** Replaces the whole file, in one step, without being heard again. */
  rewrite(entries: readonly Entry[]): void
  close(): void
}

const newline = 10
const chunkBytes = 1 << 16

/**
 * Opens (or makes) `file`. A torn last line, left by a crash in the middle of a write, is cut off: nobody was ever told of it.
 * Everything is synchronous, so that two requests cannot come between a look and a write.
 */
export function openJournal<Entry>(file: string, hear: (entry: Entry) => void): Journal<Entry> {
  mkdirSync(dirname(file), { recursive: true })
  const chunk = Buffer.allocUnsafe(chunkBytes)
  let descriptor = openSync(file, 'a+')
  let position = 0

  function catchUp(): void {
    let rest: Buffer = Buffer.alloc(0)
    for (;;) {
      const count = readSync(descriptor, chunk, 0, chunk.length, position + rest.length)
      if (count === 0) return
      const data = Buffer.concat([rest, chunk.subarray(0, count)])
      let from = 0
      for (let end = data.indexOf(newline); end !== -1; end = data.indexOf(newline, from)) {
        const entry = readLine<Entry>(data.toString('utf8', from, end))
        if (entry !== undefined) hear(entry)
        from = end + 1
      }
      position += from
      rest = data.subarray(from)
    }
  }

  function append(entry: Entry): void {
    const sizeBefore = fstatSync(descriptor).size
    try {
      writeWhole(descriptor, Buffer.from(`${JSON.stringify(entry)}\n`))
    } catch (error) {
      // A full disk may have taken half of the line, which would spoil the next one.
      ftruncateSync(descriptor, sizeBefore)
      throw error
    }
    catchUp()
  }

  function rewrite(entries: readonly Entry[]): void {
    const draft = `${file}.draft`
    writeFileSync(draft, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
    renameSync(draft, file)
    closeSync(descriptor)
    descriptor = openSync(file, 'a+')
    position = fstatSync(descriptor).size
  }

  catchUp()
  if (fstatSync(descriptor).size > position) ftruncateSync(descriptor, position)
  return { append, catchUp, rewrite, close: () => closeSync(descriptor) }
}

function readLine<Entry>(line: string): Entry | undefined {
  try {
    return JSON.parse(line) as Entry
  } catch {
    return undefined // a line spoilt by a crash of the machine; the others still count
  }
}

function writeWhole(descriptor: number, bytes: Buffer): void {
  for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
}
