/** A headless Chromium, for what only a browser can tell. */
import { access, constants } from 'node:fs/promises'
import { chromium, type Browser } from 'playwright-core'
import { runCommand } from '../../src/base/process.ts'

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']
const install = 'apt-get update && apt-get install -y --no-install-recommends chromium'

async function find(): Promise<string | undefined> {
  for (const path of [process.env['CHROMIUM'] ?? '', ...places]) if (path !== '' && await access(path, constants.X_OK).then(() => true, () => false)) return path
  return undefined
}

/** Where one is; on a Debian whose root we are, it is installed. */
async function findOrInstall(): Promise<{ path: string } | { missing: string }> {
  const there = await find()
  if (there) return { path: there }
  const mayInstall = process.getuid?.() === 0 && await access('/etc/debian_version').then(() => true, () => false)
  const { errors } = mayInstall ? await runCommand('/bin/sh', ['-c', `export DEBIAN_FRONTEND=noninteractive; timeout 300 sh -c '${install}'`]) : { errors: '' }
  const path = mayInstall ? await find() : undefined
  return path ? { path } : { missing: `no Chromium here: ${install} (as root), or say in CHROMIUM where it is${errors === '' ? '' : `; it could not be installed: ${errors.trim().split('\n').at(-1)}`}` }
}

const found = await findOrInstall()

/** Why there can be none on this machine; undefined where there can. */
export const noChromium = 'missing' in found ? found.missing : undefined

export function openChromium(): Promise<Browser> {
  if (!('path' in found)) throw new Error(noChromium)
  // Root has no sandbox to give, and a container's /dev/shm is too small.
  return chromium.launch({ executablePath: found.path, args: [...process.getuid?.() === 0 ? ['--no-sandbox'] : [], '--disable-dev-shm-usage', '--disable-gpu'] })
}
