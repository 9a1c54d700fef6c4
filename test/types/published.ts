/** The shop as somebody has it who installed the package: in a folder of its own, with the platform's declarations and none of its source. */
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compile, type Compilation, root } from './compiler.ts'

/** Makes that folder, and answers what the compiler said when it wrote the platform's declarations. */
export async function publishInto(directory: string): Promise<Compilation> {
  const modules = join(directory, 'node_modules')
  await mkdir(join(modules, 'tenfold'), { recursive: true })
  for (const name of await readdir(join(root, 'node_modules'))) await symlink(join(root, 'node_modules', name), join(modules, name))
  await cp(join(root, 'package.json'), join(modules, 'tenfold/package.json'))
  await cp(join(root, 'examples/shop'), join(directory, 'shop'), { recursive: true, filter: (path) => !path.endsWith('.test.ts') && !path.endsWith('shop/test') })
  await writeFile(join(directory, 'package.json'), JSON.stringify({ name: 'a-shop', type: 'module' }))
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions: { customConditions: [] }, include: ['shop/**/*.ts'], exclude: [] }))
  return compile(['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', join(modules, 'tenfold/dist')])
}
