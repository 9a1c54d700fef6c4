import { type AppDefinition, appDefinition, type AuthRule } from '../app/index.ts'
import type { Command } from './command.ts'
import { columns, cutLines, terminalColumns } from './table.ts'

export const routesCommand: Command = {
  help: `tenfold routes: every route by its path: who may call it, what serves it, whether it takes an idempotency key, and its own
limits (beside the one that every address has). A terminal shows what it has room for; piped, or with --json for programs, it is whole.
`,
  options: { json: { type: 'boolean' } },
  async run({ app }, { values }) {
    const rows = routeRows(appDefinition(app))
    if (values['json']) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
    else {
      // What a narrow terminal cuts off stands last.
      process.stdout.write(cutLines(columns([['METHOD', 'PATH', 'AUTH', 'PROCEDURE', 'KIND', 'KEY', 'LIMITS'], ...rows.map(({ method, path, kind, procedure, auth, limits, idempotencyKey }) =>
        [method, path, auth, procedure, kind, idempotencyKey ?? '', limits.map(({ by, rate }) => `${rate} by ${by}`).join(', ')])]), terminalColumns()))
    }
    return 0
  },
}

interface RouteRow { readonly method: string; readonly path: string; readonly kind: string; readonly procedure: string; readonly auth: string; readonly limits: readonly { readonly by: string; readonly rate: string }[]; readonly idempotencyKey: 'required' | 'optional' | null }

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

export function routeRows({ routes }: Pick<AppDefinition, 'routes'>): RouteRow[] {
  return routes.toSorted((one, other) => one.path < other.path ? -1 : one.path > other.path ? 1 : methods.indexOf(one.method) - methods.indexOf(other.method))
    .map(({ method, path, procedure, auth, limit, idempotencyKey }) => ({
      method, path, kind: procedure.kind, procedure: procedure.name, auth: whoMay(auth), limits: limit, idempotencyKey: idempotencyKey ?? null,
    }))
}

function whoMay({ '~auth': kind, roles }: AuthRule): string {
  if (kind === 'public') return 'anyone'
  return roles ? `role ${roles.join(' or ')}` : 'signed in'
}
