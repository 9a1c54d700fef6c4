import { defineConfig } from 'tenfold/config'
import { app } from './app.ts'

const { PORT, OPS_PORT, TENFOLD_DATA } = process.env

export default defineConfig({ app, topology: { stage: 'single', data: TENFOLD_DATA || '.tenfold', rateLimit: 'off', ports: { web: Number(PORT || 3000), ops: Number(OPS_PORT || 3001) } } })
