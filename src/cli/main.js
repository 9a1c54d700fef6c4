#!/usr/bin/env node
// JavaScript, so that Node need not load what strips types for this file alone, and an older Node can read it.
import { existsSync } from 'node:fs'
import * as module from 'node:module'
import { join, resolve } from 'node:path'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const isOld = major < 24 || (major === 24 && minor < 12)
// A new application brings a Node of its own: whichever there is may make it.
if (isOld && process.argv[2] !== 'new') {
  console.error(`tenfold: This is Node ${process.versions.node}, and Tenfold needs 24.12 or newer: npm install --save-dev node@24 brings it, and npm scripts and npx find it.`)
  process.exit(1)
}

// What Node compiled of us the last time is not compiled again: a start is quicker, and takes less memory. Before anything else is loaded;
// where it cannot be kept, nothing comes of it. Node's own choice would be a folder of the machine's /tmp, which anybody may have
// made before us, and what is in there is run.
const modules = resolve('node_modules')
if (process.env.NODE_COMPILE_CACHE !== undefined) module.enableCompileCache?.()
else if (existsSync(modules)) module.enableCompileCache?.(join(modules, '.cache/tenfold'))
await import('./tenfold.ts')
