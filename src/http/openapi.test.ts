import assert from 'node:assert/strict'
import { test } from 'node:test'
import { known, probe } from '../../test/support/probe.ts'

interface Operation { operationId: string; parameters?: { name: string; in: string; required: boolean; schema: object }[]; requestBody?: { required: boolean; content: Record<string, { schema: { properties: object; required: string[] } }> }; responses: Record<string, { description: string; content?: Record<string, object> }>; security?: object[] }

test('the document says what each route takes, and each status that it may answer', async () => {
  await using running = await probe()
  const { paths } = (await running.server.inject('/openapi.json')).json<{ paths: Record<string, Record<string, Operation>> }>()
  assert.deepEqual(Object.entries(paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method} ${path}`)).toSorted(), [
    'delete /v1/things/{id}', 'get /v1/broken', 'get /v1/large', 'get /v1/late', 'get /v1/others', 'get /v1/paper', 'get /v1/things', 'get /v1/things/{id}', 'post /v1/keyed', 'post /v1/things', 'put /v1/things/{id}',
  ])
  const operation = (method: string, path: string) => paths[path]?.[method] as Operation
  const rename = operation('put', '/v1/things/{id}')
  assert.deepEqual(rename.parameters?.map(({ name, in: place, required }) => [name, place, required]), [['id', 'path', true]])
  assert.deepEqual(Object.keys(rename.requestBody?.content['application/json']?.schema.properties ?? {}), ['name'], 'neither what the path says nor what the caller is')
  assert.deepEqual(rename.security, [{ bearer: [] }])
  assert.deepEqual(operation('post', '/v1/keyed').parameters?.map(({ name, in: place, required }) => [name, place, required]), [['Idempotency-Key', 'header', true]])
  assert.deepEqual(operation('get', '/v1/things').parameters?.map(({ name, in: place, required }) => [name, place, required]), [['q', 'query', false], ['old', 'query', false], ['weight', 'query', false], ['limit', 'query', false], ['cursor', 'query', false]])
  assert.equal(operation('get', '/v1/things').security, undefined)
  assert.deepEqual(Object.keys(operation('get', '/v1/paper').responses['200']?.content ?? {}), ['*/*'], 'a file is of any type')
  assert.deepEqual(Object.keys(operation('post', '/v1/things').responses), ['201', '400', '404', '408', '409', '413', '414', '415', '422', '429', '431', '500', '503', '504', 'default'])
  assert.deepEqual(Object.keys(operation('delete', '/v1/things/{id}').responses), ['204', '400', '401', '403', '404', '408', '409', '413', '414', '415', '422', '429', '431', '500', '503', '504', 'default'])
  assert.match(operation('get', '/v1/things').responses['400']?.description ?? '', /bad-cursor/)
  for (const [path, item] of Object.entries(paths)) for (const [method, { responses }] of Object.entries(item)) {
    for (const [status, { description, content }] of Object.entries(responses)) {
      assert.ok(description.length > 0)
      if (Number(status) >= 400 || status === 'default') assert.deepEqual(Object.keys(content ?? {}), ['application/problem+json'], `${status} of ${method} ${path}`)
    }
  }
  const missing = (await running.server.inject(`/v1/things/${known.replace('1', '2')}`)).statusCode
  assert.ok(operation('get', '/v1/things/{id}').responses[missing])
})
