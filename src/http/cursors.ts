import { kindOf, type RouteDefinition } from '../app/index.ts'
import { failed, fingerprint, seal, unseal } from '../base/index.ts'

/** Cursors outside are sealed: opaque, and good only for the list and the filter that they came from. */
export interface Cursors {
  /** Opens the cursor in an input. Errors: `bad-cursor`. */
  open(input: Record<string, unknown>): void
  /** Seals the cursor in an answer. */
  close(answer: unknown, input: Record<string, unknown>): unknown
}

export function cursorsOf(route: RouteDefinition, key: Buffer): Cursors | undefined {
  if (kindOf(route.procedure.output) !== 'page') return undefined
  const scopeOf = ({ cursor: _cursor, limit: _limit, ...filter }: Record<string, unknown>) => fingerprint([route.path, filter])
  return {
    open(input) {
      if (input['cursor'] === undefined) return
      const opened = typeof input['cursor'] === 'string' ? unseal(key, input['cursor']) : undefined
      // Sealed again it is the same text: base64 reads letters that it would never write.
      const [scope, cursor] = opened === undefined || seal(key, opened) !== input['cursor'] ? [] : JSON.parse(opened) as [string, string]
      if (scope !== scopeOf(input)) throw failed('bad-cursor', 'The cursor is not one that this server gave out for this list and these filters: start again without a cursor.')
      input['cursor'] = cursor
    },
    close(answer, input) {
      const page = answer as { nextCursor: string | null }
      return page.nextCursor === null ? page : { ...page, nextCursor: seal(key, JSON.stringify([scopeOf(input), page.nextCursor])) }
    },
  }
}
