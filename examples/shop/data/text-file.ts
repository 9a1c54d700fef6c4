import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'

/** A file that a person named cannot be used; the message is one sentence with the remedy, to be shown without a stack. */
export class DataFileError extends Error {
  override readonly name = 'DataFileError'
}

/** The text of a file, piece by piece, and its size in bytes. */
export interface TextFile { bytes: number; pieces(onRead?: (readBytes: number) => void): AsyncGenerator<string> }

/**
 * Looks through the whole file once and finds how it is written: UTF-8 (with or without a byte order mark), or, where that does not
 * fit, Windows-1252, of which Latin-1 is a part. Throws a DataFileError when the file cannot be read or is not text.
 */
export async function openTextFile(file: string): Promise<TextFile> {
  const bytes = await checkDataFile(file)
  const encoding = await orRefusal(file, detectEncoding(file))
  return { bytes, pieces: (onRead) => decode(file, encoding, onRead) }
}

/** Says what can be said of it without reading it; answers its size in bytes. Throws a DataFileError. */
export async function checkDataFile(file: string): Promise<number> {
  if (file === '') throw new DataFileError('The name of the file is empty: name a CSV file.')
  const about = await orRefusal(file, stat(file))
  if (!about.isFile()) throw new DataFileError(`${file} is not a file: name a CSV file.`)
  if (about.size === 0) throw new DataFileError(`${file} is empty: name a CSV file with a line of column names.`)
  return about.size
}

async function orRefusal<T>(file: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new DataFileError(`There is no file ${file}: check the path.`, { cause: error })
    if (code === 'EACCES' || code === 'EPERM') throw new DataFileError(`${file} may not be read by this user: change its permissions.`, { cause: error })
    throw error
  }
}

async function detectEncoding(file: string): Promise<'utf-8' | 'windows-1252'> {
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  let encoding: 'utf-8' | 'windows-1252' = 'utf-8'
  let start: Buffer | undefined
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    start ??= chunk.subarray(0, 4)
    if (chunk.includes(0)) throw new DataFileError(notText(file, start))
    if (encoding === 'utf-8') encoding = fits(() => utf8.decode(chunk, { stream: true })) ? 'utf-8' : 'windows-1252'
  }
  // A character cut off by the end of the file does not fit either.
  return encoding === 'utf-8' && fits(() => utf8.decode()) ? 'utf-8' : 'windows-1252'
}

function fits(decodeNext: () => string): boolean {
  try {
    decodeNext()
    return true
  } catch {
    return false
  }
}

/** A text holds no zero bytes: these files are what people take for CSV. */
function notText(file: string, start: Buffer): string {
  const beginning = start.toString('latin1')
  if (beginning === 'PK\u0003\u0004' || beginning === '\u00D0\u00CF\u0011\u00E0') return `${file} is a spreadsheet or an archive: export it as CSV.`
  if (beginning.startsWith('\u00FF\u00FE') || beginning.startsWith('\u00FE\u00FF')) return `${file} is UTF-16: save it as CSV in UTF-8.`
  return `${file} is not text: name a CSV file.`
}

async function* decode(file: string, encoding: string, onRead?: (readBytes: number) => void): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding)
  let readBytes = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    // A byte order mark promises UTF-8; in a file that breaks the promise it is still not part of the first column's name.
    const marked = readBytes === 0 && encoding !== 'utf-8' && chunk.subarray(0, 3).toString('latin1') === '\u00EF\u00BB\u00BF'
    readBytes += chunk.length
    yield decoder.decode(marked ? chunk.subarray(3) : chunk, { stream: true })
    onRead?.(readBytes)
  }
  yield decoder.decode()
}
