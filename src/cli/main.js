#!/usr/bin/env node
// JavaScript, so that Node need not load what strips types for this file alone.
import { enableCompileCache } from 'node:module'

// What Node compiled of us the last time is not compiled again: a start is quicker, and takes less memory. Before anything else is loaded;
// where it cannot be kept, nothing comes of it.
enableCompileCache()
await import('./tenfold.ts')
