import { product } from './place.ts'

/** What is in the caches when they are measured. */
export const known = Array.from({ length: 1000 }, (_, index) => product(index))
