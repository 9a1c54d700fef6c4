import type { Statement } from './parse.ts'

/** What is refused without a trial, since the trial itself would reach beyond the scratch database, or never end. */
export function refusedUntried({ kind, node }: Statement): { rule: 'cluster-wide' | 'server-files' | 'transaction'; reason: string; remedy: string } | undefined {
  if (clusterWide.has(kind)) return { rule: 'cluster-wide', reason: 'It changes more than this database: the whole server, or another.', remedy: 'Do it where servers are provisioned, once, by hand or by your provisioning; a migration file changes its own module\'s tables.' }
  if (kind === 'TransactionStmt') return { rule: 'transaction', reason: 'A file is one transaction already, which this would end or open a second time.', remedy: 'Take it out; what must commit by itself goes into a file of its own.' }
  if ('CopyStmt' in node && (node.CopyStmt.filename !== undefined || node.CopyStmt.is_program || node.CopyStmt.is_from)) {
    return { rule: 'server-files', reason: 'COPY reads or writes a file, a program or standard input, none of which goes with a migration.', remedy: 'Write the rows as INSERT statements, or load them with a job of the application.' }
  }
  return undefined
}

/** By the names of Postgres' own parser. */
const clusterWide = new Set([
  'CreatedbStmt', 'DropdbStmt', 'AlterDatabaseStmt', 'AlterDatabaseSetStmt', 'AlterDatabaseRefreshCollStmt', 'AlterSystemStmt', 'CreateTableSpaceStmt', 'DropTableSpaceStmt', 'AlterTableSpaceOptionsStmt',
  'CreateRoleStmt', 'AlterRoleStmt', 'AlterRoleSetStmt', 'DropRoleStmt', 'GrantRoleStmt', 'ReassignOwnedStmt', 'DropOwnedStmt',
  'CreateSubscriptionStmt', 'AlterSubscriptionStmt', 'DropSubscriptionStmt', 'CheckPointStmt', 'LoadStmt',
])
