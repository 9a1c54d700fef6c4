export const productSchema = {
  params: { type: 'object', properties: { id: { type: 'string', format: 'uuid' } }, required: ['id'] },
  response: {
    200: { type: 'object', properties: { id: { type: 'string' }, sku: { type: 'string' }, name: { type: 'string' }, price: { type: 'integer' }, stock: { type: 'integer' } } },
  },
}
