export { attach, type Attached } from './attach.ts'
export { migrateApplication } from './embedded.ts'
export { createEngine, type Engine, type EngineOptions } from './engine.ts'
export { run, type Running, type RunOptions } from './run.ts'
