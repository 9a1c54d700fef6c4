import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompress } from 'node:zlib'

/**
 * What is stored, sealed: a zstd frame, and behind it a skippable frame (RFC 8878, 3.1.2) with the SHA-256 of the content. `zstd -d` reads it too, and passes over the seal.
 * Postgres takes a damaged end of its log for the end: a flipped bit must be seen here.
 */
const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
const sealBytes = 40
const skippable = 0x184d2a50

export async function sealContent(content: Uint8Array): Promise<Buffer> {
  const seal = Buffer.alloc(sealBytes)
  seal.writeUInt32LE(skippable, 0)
  seal.writeUInt32LE(32, 4)
  hash('sha256', content, 'buffer').copy(seal, 8)
  return Buffer.concat([await compress(content, { params: { [constants.ZSTD_c_compressionLevel]: 3 } }), seal])
}

/** Undefined when it is not what was sealed. */
export async function openSealed(sealed: Uint8Array): Promise<Buffer | undefined> {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  const at = bytes.length - sealBytes
  if (at < 4 || bytes.readUInt32LE(at) !== skippable) return undefined
  const content = await decompress(bytes.subarray(0, at)).catch(() => undefined)
  return content && hash('sha256', content, 'buffer').equals(bytes.subarray(at + 8)) ? content : undefined
}
