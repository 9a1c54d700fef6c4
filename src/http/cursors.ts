import { type Caller, kindOf, type RouteDefinition } from '../app/index.ts'
import { failed, fingerprint, seal, unseal } from '../base/index.ts'

/** Cursors outside are sealed: opaque, and good only for the list, the filter and the caller that they came from. */
export interface Cursors {
  /** Opens the cursor in an input. Errors: `bad-cursor`. */
  open(input: Record<string, unknown>, caller: Caller): void
  /** Seals the cursor in an answer. */
  close(answer: unknown, input: Record<string, unknown>, caller: Caller): unknown
}

export function cursorsOf(route: RouteDefinition, key: Buffer): Cursors | undefined {
  if (kindOf(route.procedure.output) !== 'page') return undefined
  const scopeOf = ({ cursor: _cursor, limit: _limit, ...filter }: Record<string, unknown>, caller: Caller) => fingerprint([route.path, filter, caller?.['id'] ?? null])
  return {
    open(input, caller) {
      if (input['cursor'] === undefined) return
      const opened = typeof input['cursor'] === 'string' ? unseal(key, input['cursor']) : undefined
      // Sealed again it is the same text: base64 reads letters that it would never write.
      const [scope, cursor] = opened === undefined || seal(key, opened) !== input['cursor'] ? [] : JSON.parse(opened) as [string, string]
      if (scope !== scopeOf(input, caller)) throw failed('bad-cursor', 'The cursor is not one that this server gave out for this list and these filters: start again without a cursor.')
      input['cursor'] = cursor
    },
    close(answer, input, caller) {
      const page = answer as { nextCursor: string | null }
      return page.nextCursor === null ? page : { ...page, nextCursor: seal(key, JSON.stringify([scopeOf(input, caller), page.nextCursor])) }
    },
  }
}
