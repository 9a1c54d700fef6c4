/** Load over HTTP, by wrk: one thread, 64 connections. */
import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { productCount, productId } from './place.ts'

const connections = 64
const install = 'apt-get update && apt-get install -y wrk'

/** Installs it on Debian when we are root; else says how, and ends. */
export function needWrk(): void {
  if (spawnSync('wrk', ['-v']).error === undefined) return
  const debian = process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0
  if (debian && spawnSync('sh', ['-c', install], { stdio: ['ignore', 2, 2] }).status === 0 && spawnSync('wrk', ['-v']).error === undefined) return
  process.stderr.write(`wrk is missing, which makes the load: install it (on Debian: ${install}) and start again.\n`)
  process.exit(1)
}

/** What each request is: made once, so that wrk itself does little. `%d` in a path is a random product's id. */
const random = 'local n = 0\nfunction request() return requests[math.random(#requests)] end'
const summary = 'function done(s) io.write(string.format("\\n{\\"requests\\":%d,\\"us\\":%d,\\"status\\":%d,\\"socket\\":%d}", s.requests, s.duration, s.errors.status, s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout)) end'

/** GETs of random products below that path. */
export function productScript(directory: string, path: string): string {
  const ids = Array.from({ length: productCount }, (_, index) => `"${productId(index)}"`)
  return script(directory, `local ids = {${ids.join(',')}}\nrequests = {}\nfunction init() math.randomseed(os.time()) for i, id in ipairs(ids) do requests[i] = wrk.format("GET", "${path}/" .. id) end end\n${random}`)
}

/** The same by a caller who sends back the token that the last answer gave, as the typed client does. */
export function sessionScript(directory: string, path: string): string {
  const ids = Array.from({ length: productCount }, (_, index) => `"${productId(index)}"`)
  return script(directory, `
local ids = {${ids.join(',')}}
local before, behind, token = "", "\\r\\n\\r\\n", ""
function init() math.randomseed(os.time()) before = "GET ${path}/" behind = " HTTP/1.1\\r\\nHost: " .. wrk.host .. "\\r\\n" end
function request() return before .. ids[math.random(#ids)] .. behind .. token .. "\\r\\n" end
function response(status, headers)
  local given = headers["tenfold-consistency"]
  if given then token = "tenfold-consistency: " .. given .. "\\r\\n" end
end`)
}

/** Orders of two random products each, by these callers, each under a key of its own. */
export function orderScript(directory: string, path: string, tokens: readonly string[]): string {
  return script(directory, `
local ids = {${Array.from({ length: productCount }, (_, index) => `"${productId(index)}"`).join(',')}}
local tokens = {${tokens.map((token) => `"${token}"`).join(',')}}
local n, run = 0, 0
function init() run = tostring(os.time()) .. tostring({}):sub(8) math.randomseed(os.time()) end
function request()
  n = n + 1
  local first, second = ids[math.random(#ids)], ids[math.random(#ids)]
  return wrk.format("POST", "${path}", { ["content-type"] = "application/json", ["authorization"] = "Bearer " .. tokens[1 + n % #tokens], ["idempotency-key"] = run .. n },
    '{"items":[{"productId":"' .. first .. '","quantity":1},{"productId":"' .. second .. '","quantity":2}]}')
end`)
}

let scripts = 0
function script(directory: string, text: string): string {
  const file = join(directory, `load-${scripts++}.lua`)
  writeFileSync(file, `${text}\n${summary}\n`)
  return file
}

/** Requests a second. An answer that is no success makes the figure worthless, so it is an error. */
export async function load(url: string, file: string, seconds: number): Promise<number> {
  const { stdout } = await promisify(execFile)('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', file, url], { timeout: (seconds + 30) * 1000 })
  const found = JSON.parse(stdout.slice(stdout.lastIndexOf('{'))) as { requests: number; us: number; status: number; socket: number }
  if (found.status + found.socket > 0) throw new Error(`${url} answered ${found.status} of ${found.requests} requests with an error, and broke ${found.socket} connections.`)
  return found.requests / (found.us / 1e6)
}
