import { defineConfig } from 'tenfold/config'
import { app } from './app.ts'

const { PORT, OPS_PORT, TENFOLD_DATA } = process.env

export default defineConfig({
  app,
  topology: { stage: 'single', data: TENFOLD_DATA || '.tenfold', ports: { web: Number(PORT || 3000), ops: Number(OPS_PORT || 3001) } },
  ready: ({ web, ops }) => [`try        curl ${web}/v1/notes   (${web}/docs shows every route)`, `for ops    ${ops}/readyz   ${ops}/metrics`],
})
