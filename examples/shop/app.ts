import { defineApp } from 'tenfold'
import { catalogueRoutes } from './catalogue/browse.ts'
import './catalogue/importing.ts'
import { catalogue } from './catalogue/module.ts'
import { identityRoutes } from './identity/identity.ts'
import './identity/importing.ts'
import { identity } from './identity/module.ts'
import { notifications } from './notifications/notifications.ts'
import { orderRoutes } from './orders/checkout.ts'
import { orders } from './orders/module.ts'
import './orders/receipts.ts'
import { payments } from './payments/payments.ts'
import { controlUrl } from './outside.ts'
import { sandboxRoutes } from './sandbox/mount.ts'

export const app = defineApp('shop', {
  modules: [identity, catalogue, orders, payments, notifications],
  routes: [identityRoutes, catalogueRoutes, orderRoutes],
  mount: { ops: sandboxRoutes(controlUrl) },
})
