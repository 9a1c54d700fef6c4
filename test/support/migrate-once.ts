/** A process that migrates, to be killed: node migrate-once.ts '{"admin":...,"folder":"..."}'. */
import { pathToFileURL } from 'node:url'
import { migrate } from '../../src/data/index.ts'

const { admin, folder } = JSON.parse(process.argv[2] ?? '') as { admin: Parameters<typeof migrate>[0]['admin']; folder: string }
await migrate({ admin, application: { user: 'tenfold_app', password: 'tenfold' }, modules: [{ name: 'things', migrations: pathToFileURL(`${folder}/`), shardKey: undefined }] })
