/** `npm run replay -- FILE`: places a retailer's real invoices as orders in the running shop. */
import { parseArgs } from 'node:util'
import { checkDataFile } from '../data/online-retail.ts'
import { progressBar } from '../progress.ts'
import { replay } from './replay.ts'
import { jsonReport, tableReport } from './report.ts'
import { shoppersOf } from './shoppers.ts'

const help = `npm run replay -- FILE [--speed N] [--at-once N] [--url URL] [--json]

Places the invoices of FILE (an export in the columns of UCI's Online Retail) as orders in the running shop, which was filled from the
same file: npm start -- --data FILE. Each invoice's number is its idempotency key, so the replay may be interrupted, killed, and run
again within a day: no order is placed twice, and the table at the end is the same.

  --speed N      N seconds of the file in one; as fast as the shop answers unless told
  --at-once N    orders under way at most; 8 unless told
  --url URL      where the shop is; http://127.0.0.1 and PORT (3000) unless told
  --json         the table as JSON

SHOP_ADMIN_EMAIL and SHOP_ADMIN_PASSWORD, the same as the shop's, free it from the rate limits. Without them it keeps to them, and
takes its time.
`

class UsageError extends Error {}

function options() {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { speed: { type: 'string' }, 'at-once': { type: 'string' }, url: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } } })
    const [file] = positionals
    if (!values.help && (file === undefined || positionals.length > 1)) throw new UsageError('Name one file: npm run replay -- FILE.')
    const url = values.url ?? `http://127.0.0.1:${process.env['PORT'] || 3000}`
    if (!URL.canParse(url)) throw new UsageError(`--url is ${JSON.stringify(url)}: write it as http://127.0.0.1:3000.`)
    return { file: file ?? '', url: url.replace(/\/+$/, ''), json: values.json === true, help: values.help === true, speed: number('--speed', values.speed, Infinity, 1e9), atOnce: number('--at-once', values['at-once'], 8, 200) }
  } catch (error) {
    throw new UsageError((error as Error).message.split(/\.(?: |$)/)[0], { cause: error })
  }
}

function number(name: string, text: string | undefined, usual: number, most: number): number {
  if (text === undefined || text === 'max') return usual
  if (!/^\d+(\.\d+)?$/.test(text) || Number(text) <= 0 || Number(text) > most) throw new UsageError(`${name} is ${JSON.stringify(text)}: use a number above 0, ${most} at most.`)
  return name === '--at-once' ? Math.ceil(Number(text)) : Number(text)
}

/** Answers the exit code. */
async function main(): Promise<number> {
  const { file, url, json, help: wantsHelp, speed, atOnce } = options()
  if (wantsHelp) {
    process.stdout.write(help)
    return 0
  }
  await checkDataFile(file)
  const interrupt = new AbortController()
  const stop = () => { if (interrupt.signal.aborted) process.exit(130); interrupt.abort() }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  const [email, password] = [process.env['SHOP_ADMIN_EMAIL'], process.env['SHOP_ADMIN_PASSWORD']]
  await fetch(`${url}/openapi.json`).catch(() => process.stderr.write(`  waiting for the shop at ${url}: npm start -- --data ${file}\n`))
  const outcome = await replay(shoppersOf(url, email && password ? { email, password } : undefined), { file, speed, atOnce, bar: (label, total) => progressBar(label, total), signal: interrupt.signal })
  process.stdout.write(json ? `${JSON.stringify(jsonReport(outcome))}\n` : `${tableReport(outcome)}\n`)
  return outcome.finished ? 0 : 130
}

main().then((code) => { process.exit(code) }, (error: unknown) => {
  process.stderr.write(`replay: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(error instanceof UsageError ? 2 : 1)
})
