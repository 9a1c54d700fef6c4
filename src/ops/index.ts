export { type PostgresServer, startPostgres } from './rig/postgres.ts'
