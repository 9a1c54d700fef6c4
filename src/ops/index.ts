export {
  adminSession, type Archiver, type BackupManifest, type BackupStore, createArchiver, createFileKeeper, type DrillReport, drillRestore, listBackups, openStore, planRestore, readTarget, recover, removeOld, restoreFiles, serverFacts, settle, storeLogFile,
  takeBackup, type Verified, verifyStore,
} from './backup/index.ts'
export { type PostgresServer, startPostgres } from './rig/postgres.ts'
