export { type FileStore, folderFiles } from './files.ts'
