export { abandonMove, applyTopology } from './move/apply.ts'
export { upgradePostgres } from './move/upgrade.ts'
export {
  adminSession, type Archiver, type BackupManifest, type BackupStore, createArchiver, createFileKeeper, createReceiver, type DrillReport, drillRestore, listBackups, openStore, planRestore, readTarget, recover, removeOld, restoreFiles, serverFacts, settle, slotName, storeLogFile,
  takeBackup, type Verified, verifyStore,
} from './backup/index.ts'
export { findEngine } from './rig/binaries.ts'
export { type PostgresServer, startPostgres } from './rig/postgres.ts'
export type { ComponentStatus } from './rig/keeper.ts'
export { logFile, logNames } from './rig/rig.ts'
export { endSession, readSession } from './rig/session.ts'
export { bringUp, portsOf, rigDirectory, topologyThatIsUp } from './up.ts'
export * from './advisor/index.ts'
