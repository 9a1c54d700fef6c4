import { pipeline } from 'node:stream/promises'
import { CsvError, parse } from 'csv-parse'
import { columns, newTally, type Line, type RetailData } from './product-tally.ts'
import { DataFileError, openTextFile } from './text-file.ts'

export { columns, type RetailData } from './product-tally.ts'
export { checkDataFile, DataFileError } from './text-file.ts'

/** A quote that is never closed would else swallow the rest of the file before it is noticed. */
const maxLineCharacters = 64 * 1024

/** Told how far the reading is, in bytes. */
export type Reading = (readBytes: number, totalBytes: number) => void

/**
 * Reads the products out of a retailer's sales lines. A product is a stock code that begins with five digits; its name is the most
 * frequent description (the first in the file on a tie), its price the latest positive one (the later line on a tie), in pence.
 * Products come in the order in which the file first names them. Throws a DataFileError for a file that cannot be used; a malformed
 * value is counted, never thrown.
 */
export async function readProducts(file: string, onProgress?: Reading): Promise<RetailData> {
  const tally = newTally()
  await readLines(file, (line) => tally.take(line), onProgress)
  return tally.result()
}

/** Gives each line to `take`, in the order of the file; undefined for one that does not fit the columns. Throws a DataFileError. */
export async function readLines(file: string, take: (line: Line | undefined) => void, onProgress?: Reading): Promise<void> {
  const text = await openTextFile(file)
  const parser = parse({
    record_delimiter: ['\r\n', '\n'], relax_quotes: true, relax_column_count: true, skip_empty_lines: true, max_record_size: maxLineCharacters,
  })
  try {
    await pipeline(text.pieces((readBytes) => onProgress?.(readBytes, text.bytes)), parser, async (records: AsyncIterable<string[]>) => {
      let toLine: ((fields: string[]) => Line | undefined) | undefined
      for await (const fields of records) {
        if (toLine === undefined) toLine = lineReader(file, fields)
        else take(toLine(fields))
      }
      if (toLine === undefined) throw new DataFileError(`${file} is empty: name a CSV file with a line of column names.`)
    })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    // With the limits above it can be no other fault; quoted line breaks before it make its line a later one.
    throw new DataFileError(`${file} cannot be read as CSV: line ${parser.info.records + 1} or a later one opens a quote and does not close it.`, { cause: error })
  }
}

/** Finds each column by its name; a line with another number of fields is undefined (empty ones at the end do not count). */
function lineReader(file: string, header: readonly string[]): (fields: string[]) => Line | undefined {
  const names = header.map((name) => name.trim())
  const missing = columns.filter((column) => !names.includes(column))
  if (missing.length > 0) {
    throw new DataFileError(`${file} has no column ${missing.join(', ')}: its first line must name the columns ${columns.join(',')}.`)
  }
  const places = columns.map((column) => [column, names.indexOf(column)] as const)
  return (fields) => {
    if (fields.length < names.length || fields.slice(names.length).some((field) => field.trim() !== '')) return undefined
    return Object.fromEntries(places.map(([column, place]) => [column, (fields[place] as string).trim()])) as Line
  }
}
