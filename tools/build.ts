/**
 * `npm run build`: makes `dist/`, which is what is published: `src/` as JavaScript with its declarations, and what stands there beside
 * TypeScript. Node runs no TypeScript below node_modules, so an installed package has to be JavaScript.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, globSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(import.meta.dirname, '..')
const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin/tsc')

rmSync(join(root, 'dist'), { recursive: true, force: true })
const { status } = spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json'), '--noEmitOnError'], { stdio: 'inherit' })
if (status === 0) {
  for (const file of globSync('**/*.sql', { cwd: join(root, 'src') })) cpSync(join(root, 'src', file), join(root, 'dist', file))
  chmodSync(join(root, 'dist/cli/main.js'), 0o755)
}
process.exitCode = status ?? 1
