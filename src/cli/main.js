#!/usr/bin/env node
// JavaScript, so that Node need not load what strips types for this file alone.
import { existsSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join, resolve } from 'node:path'

// What Node compiled of us the last time is not compiled again: a start is quicker, and takes less memory. Before anything else is loaded;
// where it cannot be kept, nothing comes of it. Node's own choice would be a folder of the machine's /tmp, which anybody may have
// made before us, and what is in there is run.
const modules = resolve('node_modules')
if (process.env.NODE_COMPILE_CACHE !== undefined) enableCompileCache()
else if (existsSync(modules)) enableCompileCache(join(modules, '.cache/tenfold'))
await import('./tenfold.ts')
