import assert from 'node:assert/strict'

interface Answer { readonly statusCode: number; readonly headers: Readonly<Record<string, unknown>>; readonly body: string }
export interface ProblemDocument { readonly type: string; readonly title: string; readonly status: number; readonly code: string; readonly detail: string; readonly requestId: string; readonly errors?: { path: string; message: string }[] }

const fields = new Set(['code', 'data', 'detail', 'errors', 'requestId', 'status', 'title', 'type'])

/** The answer's problem document, once it is a whole one: right media type, right status, nothing of ours in it. */
export function problemOf({ statusCode, headers, body }: Answer): ProblemDocument {
  assert.equal(headers['content-type'], 'application/problem+json; charset=utf-8', `${statusCode} ${body.slice(0, 300)}`)
  const problem = JSON.parse(body) as ProblemDocument
  for (const name of ['type', 'title', 'code', 'detail', 'requestId'] as const) assert.equal(typeof problem[name], 'string', `${name} in ${body.slice(0, 300)}`)
  assert.equal(problem.status, statusCode)
  assert.equal(problem.requestId, headers['x-request-id'])
  assert.deepEqual(Object.keys(problem).filter((name) => !fields.has(name)), [])
  assert.equal(problem.code === 'invalid', problem.errors !== undefined, `the faults of ${body.slice(0, 300)}`)
  if (problem.errors) assert.ok(problem.errors.length > 0 && problem.errors.every(({ path, message }) => /^(\/.*)?$/s.test(path) && message.length > 0), body.slice(0, 300))
  assert.doesNotMatch(body, /\bat .{1,200}:\d+:\d+|node_modules|\.ts:\d/, 'a stack')
  return problem
}

/** A response as it came over a socket, read as `inject` gives it. */
export function responseOf(text: string): Answer {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  return { statusCode: Number(first.split(' ')[1]), headers: Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)])), body: rest.join('\r\n\r\n') }
}
