import { findProgram, programs } from '../../src/ops/rig/programs.ts'

/** Why a test that needs these programs cannot run here; false when it can. `npm test` installs them where it may. */
export async function lacks(...names: readonly (keyof typeof programs)[]): Promise<string | false> {
  const found = await Promise.all(names.map(async (name) => await findProgram(programs[name]) === undefined ? [programs[name].title] : []))
  const missing = found.flat()
  return missing.length > 0 && `NOT TESTED HERE: ${missing.join(', ')} is not installed`
}
