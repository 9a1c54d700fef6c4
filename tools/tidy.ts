/**
 * The check of the tree: `npm run tidy`. Style that is executable needs no page of wishes.
 * Each rule is a pure function over files (`tidy/source.ts`); this table says which there are, and with which numbers.
 */
import { type Bans, testTime, timeAndChance } from './tidy/chance.ts'
import { examplesImportThePackage, importsOneWay } from './tidy/imports.ts'
import { dependenciesAreExplained, kebabNames, tiersHaveDoors } from './tidy/names.ts'
import { type Allowances, applyRatchets } from './tidy/ratchet.ts'
import { fileSize, functionSize, medianSize } from './tidy/sizes.ts'
import { type Fault, type File, parse, readTree, type Rule } from './tidy/source.ts'
import { castsSayWhy, errorsHaveCodes, everyTestRuns, noAsAny, noLeftovers } from './tidy/words.ts'

/** Each tier imports only those before it. */
const tiers = {
  order: [
    'base', 'app', 'observe', 'resilience', 'topology', 'data', 'store', 'cache', 'events', 'jobs', 'calls', 'limit', 'auth', 'http', 'request.ts',
    'client', 'runtime', 'testing', 'ops', 'cli', 'console', 'index.ts',
  ],
  withoutDoor: ['base'],
  withoutDoorForTypes: ['app'],
  openFolders: [
    { folder: 'ops/rig', to: ['runtime', 'testing'] }, // it starts the engines that both need
    { folder: 'ops/backup', to: ['runtime'] }, // a running process ships its log and makes its backups
  ],
}

const clock = 'take a Clock (base/clock.ts) and ask it'
const random = 'take a Random (base/random.ts) and ask it'
const bannedInSource: Bans = {
  'Date.now': clock, 'new Date()': clock, 'performance.now': clock, 'process.hrtime': clock,
  'setTimeout': clock, 'setInterval': clock, 'setImmediate': clock, 'AbortSignal.timeout': clock,
  'timers/promises.setTimeout': clock, 'timers/promises.setInterval': clock, 'timers/promises.setImmediate': clock, 'timers/promises.scheduler': clock,
  'Math.random': random, 'crypto.randomUUID': random, 'crypto.randomBytes': random, 'crypto.randomInt': random, 'crypto.getRandomValues': random,
}
/** Where time and chance come from, and what stands outside the processes under test. */
const freeOfBans = ['src/base/', 'src/testing/clock.ts', 'src/ops/', 'src/runtime/data-directory.ts']

const noSleep = 'wait for the condition, or move the test clock'
const bannedInTests: Bans = {
  'Math.random': 'take seededRandom (base/random.ts), seeded by TENFOLD_SEED',
  'timers/promises.setTimeout': noSleep, 'timers/promises.setInterval': noSleep, 'timers/promises.scheduler': noSleep, 'systemClock.sleep': noSleep,
}

/** What each file may still have of what a rule forbids. The numbers only ever fall. */
const allowances: Allowances = {}

export const rules: readonly Rule[] = [
  { name: 'one-way', says: 'imports run one way through the tiers, and through their index.ts', check: importsOneWay(tiers) },
  { name: 'examples', says: 'examples import what users import', check: examplesImportThePackage },
  { name: 'file-size', says: 'no file is over 400 lines', check: fileSize(400) },
  { name: 'median-size', says: 'the median file of src/ has at most 110 lines', check: medianSize(110) },
  { name: 'function-size', says: 'no function is over 70 lines', check: functionSize(70) },
  { name: 'time-and-chance', says: 'time and chance come in from outside', check: timeAndChance(bannedInSource, freeOfBans) },
  { name: 'test-time', says: 'tests are seeded, and none sleeps', check: testTime(bannedInTests) },
  { name: 'error-codes', says: 'every error has a code', check: errorsHaveCodes(['Error', 'TypeError', 'RangeError']) },
  { name: 'leftovers', says: 'no work is left in comments', check: noLeftovers(/\b(TODO|FIXME|XXX)\b|@ts-(ignore|nocheck)\b/g) },
  { name: 'as-any', says: 'nothing is cast to any', check: noAsAny },
  { name: 'casts', says: 'a cast through unknown says why', check: castsSayWhy },
  { name: 'every-test-runs', says: 'no test is switched off', check: everyTestRuns },
  { name: 'names', says: 'files and folders are kebab-case', check: kebabNames([/^[A-Z]+\.md$/, /^LICENSE$/, /^Dockerfile$/, /^Chart\.yaml$/]) },
  { name: 'doors', says: 'every tier has an index.ts', check: tiersHaveDoors },
  { name: 'dependencies', says: 'every npm dependency is explained', check: dependenciesAreExplained('docs/dependencies.md') },
]

export function tidy(files: readonly File[], allowed: Allowances = allowances): (Fault & { rule: string })[] {
  const sources = parse(files)
  return rules.flatMap(({ name, check }) => applyRatchets(name, check(sources), allowed).map((fault) => ({ ...fault, rule: name })))
    .toSorted((one, other) => one.path.localeCompare(other.path) || one.line - other.line)
}

function main(root: string): number {
  const files = readTree(root, ['src', 'examples', 'test', 'tools', 'bench', 'docs'], ['package.json'])
  const faults = tidy(files)
  for (const { path, line, message, rule } of faults) console.log(`${path}:${line}: ${message} (${rule})`)
  const counts = `${files.length} files, ${rules.length} rules, ${Object.keys(allowances).length} ratchets`
  console.log(faults.length === 0 ? `tidy: ${counts}, no faults` : `tidy: ${faults.length} faults in ${new Set(faults.map(({ path }) => path)).size} of ${counts}`)
  return faults.length === 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = main(process.argv[2] ?? `${import.meta.dirname}/..`)
