import { readFile } from 'node:fs/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { tagged } from './answer.ts'

/** What the page may do: run and show what this server sends, and ask this server. One thing more: Swagger UI's style sheet holds its icons as data:. */
const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** Every address is relative, so that the page works behind a prefix too. */
const page = (title: string) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
`

/** Swagger UI would have its public validator look at the document, and keeps a token for a visit only unless told. */
const start = `SwaggerUIBundle({ url: 'openapi.json', domNode: document.getElementById('docs'), deepLinking: true, validatorUrl: null, displayOperationId: true })
`

const files: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8', 'swagger-ui-bundle.js': 'text/javascript; charset=utf-8', 'favicon-32x32.png': 'image/png',
}

type Answer = (request: FastifyRequest, reply: FastifyReply) => FastifyReply

/** `GET /docs`: the OpenAPI document for people, with nothing from elsewhere. Where the team has put something else there, that stays. */
export function serveDocs(server: FastifyInstance, name: string): void {
  if (server.hasRoute({ method: 'GET', url: '/docs' })) return
  const html = tagged(page(name.replaceAll(/[<&]/g, '')), 'text/html; charset=utf-8')
  const script = tagged(start, 'text/javascript; charset=utf-8')
  server.get('/docs', async (request, reply) => html(request, reply.headers({ 'content-security-policy': policy, 'cache-control': 'no-cache' })))
  // Without a slash at its end the page's addresses would be others.
  server.get('/docs/', async (_request, reply) => reply.code(308).header('location', '../docs').send())
  server.get('/docs/start.js', async (request, reply) => script(request, reply.header('cache-control', 'no-cache')))
  for (const [file, type] of Object.entries(files)) {
    let kept: Promise<Answer> | undefined
    server.get(`/docs/${file}`, async (request, reply) => {
      // Read when somebody first asks: a process that nobody browses holds none of it.
      kept ??= readFile(new URL(import.meta.resolve(`swagger-ui-dist/${file}`))).then((bytes) => tagged(bytes, type)).catch((error: unknown) => { kept = undefined; throw error })
      const answer = await kept
      return answer(request, reply.header('cache-control', 'public, max-age=3600'))
    })
  }
}
