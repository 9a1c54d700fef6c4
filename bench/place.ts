/** Where rows are, and what is in them: the same for all contenders. */
import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'

export interface Place { readonly host: string; readonly port: number; readonly user: string; readonly password: string; readonly database: string }

export const productCount = 10_000
/** The shape of the shop's products. */
export interface Product { id: string; sku: string; name: string; price: number; stock: number }

/** Scattered, as random ids are, and known to all contenders and to the load without asking. */
export function productId(index: number): string {
  const hex = (number: number, digits: number) => number.toString(16).padStart(digits, '0')
  return `${hex(index * 2_654_435_761 % 2 ** 32, 8)}-0000-4000-8000-${hex(index, 12)}`
}

export function product(index: number): Product {
  return { id: productId(index), sku: `${10_000 + index}A`, name: `White hanging heart T-light holder ${index}`, price: 255 + index % 1000, stock: 1_000_000 }
}

export async function withClient<T>(place: Place, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(place)
  await client.connect()
  try { return await work(client) } finally { await client.end() }
}

/** A database of one's own beside the others'. */
export async function ownDatabase(postgres: Place | undefined, name: string): Promise<Place> {
  if (!postgres) throw new Error('This contender needs a Postgres, and its bout gives it none.')
  await withClient(postgres, (client) => client.query(`create database ${name}`))
  return { ...postgres, database: name }
}

/** Folders of migration files, as SQL alone, each into its schema: a contender written by hand gets the same tables and indexes, and no row security. */
export async function migrated(home: Place, folders: Readonly<Record<string, string>>): Promise<void> {
  for (const [schema, folder] of Object.entries(folders)) {
    const place = new URL(folder, import.meta.url)
    const sql = (await Promise.all((await readdir(place)).filter((file) => file.endsWith('.sql')).toSorted().map((file) => readFile(new URL(file, place), 'utf8')))).join('\n')
    await withClient(home, (client) => client.query(`create schema ${schema}; set search_path to ${schema}, public; ${sql}`))
  }
}

export const productsTable = 'create table products (id uuid primary key, sku text not null unique, name text not null, price integer not null, stock integer not null)'

/** The ten thousand products, into a table that is there. */
export async function seed(place: Place, table: string): Promise<void> {
  const rows = Array.from({ length: productCount }, (_, index) => product(index))
  await withClient(place, async (client) => {
    await client.query(`insert into ${table} (id, sku, name, price, stock) select id, sku, name, price, stock from json_populate_recordset(null::${table}, $1)`, [JSON.stringify(rows)])
    await client.query(`vacuum analyze ${table}`)
  })
}
