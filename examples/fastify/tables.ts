/** The service's own Drizzle tables. */
import { integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

export const orders = pgTable('orders', {
  id: integer().primaryKey().generatedAlwaysAsIdentity(), customer: text().notNull(), productId: integer('product_id').notNull(), quantity: integer().notNull(), placedAt: timestamp('placed_at').notNull().defaultNow(),
})
