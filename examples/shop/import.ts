/** `npm run import -- FILE`: fills the catalogue from a retailer's export, and ends. The shop must not be running on the same data. */
import { run } from 'tenfold'
import { app } from './app.ts'
import { checkDataFile } from './data/online-retail.ts'
import { fillCatalogue } from './fill.ts'

const [file, ...rest] = process.argv.slice(2)
if (file === undefined || rest.length > 0 || file.startsWith('-')) {
  process.stderr.write('usage: npm run import -- FILE   (an export in the columns of UCI\'s Online Retail)\n')
  process.exit(2)
}
const nowhere = { url: 'http://127.0.0.1:1' }
try {
  await checkDataFile(file)
  const shop = await run(app, { stage: 'single', data: process.env['TENFOLD_DATA'] || '.tenfold', ports: { web: 0, ops: 0 }, dependencies: { gateway: nowhere, recommender: nowhere, smtp: nowhere } }, {
    logLevel: 'warn', status: (text) => process.stderr.write(`  ${text}\n`), prepare: ({ call }) => fillCatalogue(call, file),
  })
  await shop.stop()
} catch (error) {
  process.stderr.write(`import: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
