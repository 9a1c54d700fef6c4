import { contend } from '../contender.ts'
await contend(async () => ({}))
