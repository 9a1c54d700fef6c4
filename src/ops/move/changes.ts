import { failed, type TenfoldError } from '../../base/index.ts'

/** What a transaction did, as Postgres' own output plugin `pgoutput` says it (PostgreSQL documentation, "Logical Replication Message Formats", version 1). */

/** A table as it was when the change was made. */
export interface Relation {
  /** Its schema and its name, as they are. */
  readonly path: string
  /** The same, as SQL writes it. */
  readonly table: string
  readonly columns: readonly RelationColumn[]
  /** It has no key: an old row is told whole. */
  readonly isWhole: boolean
}

export interface RelationColumn { readonly name: string; readonly isKey: boolean }

/** By column: its text, null, or undefined where a large value did not change and is not told. */
export type Row = readonly (string | null | undefined)[]

export type Change =
  | { readonly kind: 'begin'; /** Where the commit stands in the log. */ readonly commit: bigint }
  | { readonly kind: 'commit'; /** Behind the transaction. */ readonly end: bigint }
  | { readonly kind: 'insert'; readonly relation: Relation; readonly row: Row }
  | { readonly kind: 'update'; readonly relation: Relation; /** Told where the key changed, or where there is none. */ readonly old: Row | undefined; readonly row: Row }
  | { readonly kind: 'delete'; readonly relation: Relation; readonly old: Row }
  | { readonly kind: 'truncate'; readonly relations: readonly Relation[]; readonly cascade: boolean }

/** Reads one message after the other: each names tables by numbers that earlier ones explain. Undefined: it changes nothing. Errors: `topology`, where it is no such message. */
export function createChangeReader(quote: (name: string) => string): (message: Buffer) => Change | undefined {
  const relations = new Map<number, Relation>()
  const known = (id: number): Relation => {
    const relation = relations.get(id)
    if (!relation) throw unreadable(`the table ${id} was not explained before`)
    return relation
  }
  return (message) => {
    const bytes = createCursor(message)
    const kind = bytes.letter()
    switch (kind) {
      case 'B': return { kind: 'begin', commit: bytes.int64() }
      case 'C': bytes.int8(); bytes.int64(); return { kind: 'commit', end: bytes.int64() }
      case 'R': {
        const id = bytes.int32()
        const names = [bytes.text(), bytes.text()]
        const isWhole = bytes.letter() === 'f'
        relations.set(id, { path: names.join('.'), table: names.map(quote).join('.'), isWhole, columns: Array.from({ length: bytes.int16() }, () => columnOf(bytes, quote)) })
        return undefined
      }
      case 'I': {
        const relation = known(bytes.int32())
        bytes.letter()
        return { kind: 'insert', relation, row: rowOf(bytes) }
      }
      case 'U': {
        const relation = known(bytes.int32())
        const old = bytes.letter() === 'N' ? undefined : rowOf(bytes)
        if (old) bytes.letter()
        return { kind: 'update', relation, old, row: rowOf(bytes) }
      }
      case 'D': {
        const relation = known(bytes.int32())
        bytes.letter()
        return { kind: 'delete', relation, old: rowOf(bytes) }
      }
      case 'T': {
        const count = bytes.int32()
        const cascade = (bytes.int8() & 1) === 1
        return { kind: 'truncate', cascade, relations: Array.from({ length: count }, () => known(bytes.int32())) }
      }
      case 'O': case 'Y': return undefined // where it came from, and the names of types
      default: throw unreadable(`the kind ${JSON.stringify(kind)} is not known`)
    }
  }
}

function unreadable(what: string): TenfoldError { return failed('topology', `The database that is left tells a change that cannot be read (${what}): stop the application before it is moved.`) }

type Cursor = ReturnType<typeof createCursor>

function columnOf(bytes: Cursor, quote: (name: string) => string): RelationColumn {
  const isKey = (bytes.int8() & 1) === 1
  const name = quote(bytes.text())
  bytes.int32()
  bytes.int32()
  return { name, isKey }
}

function rowOf(bytes: Cursor): Row {
  return Array.from({ length: bytes.int16() }, () => {
    const kind = bytes.letter()
    if (kind === 't') return bytes.string(bytes.int32())
    return kind === 'n' ? null : undefined
  })
}

function createCursor(message: Buffer) {
  let at = 0
  const step = (length: number) => { at += length; return at - length }
  return {
    letter: () => message.toString('latin1', step(1), at),
    int8: () => message.readInt8(step(1)),
    int16: () => message.readInt16BE(step(2)),
    int32: () => message.readInt32BE(step(4)),
    int64: () => message.readBigInt64BE(step(8)),
    string: (length: number) => message.toString('utf8', step(length), at),
    /** Up to a zero byte. */
    text() {
      const end = message.indexOf(0, at)
      if (end < 0) throw unreadable('a name breaks off')
      const text = message.toString('utf8', at, end)
      at = end + 1
      return text
    },
  }
}
