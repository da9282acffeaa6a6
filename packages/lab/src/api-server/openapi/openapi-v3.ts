import { createHash } from 'node:crypto'
import type { Fields } from '../objects.ts'
import type { Registry } from '../registry.ts'
import type { Schema } from '../schema/schema.ts'
import type { Schemas } from '../schema/schemas.ts'
import { versionInfo } from '../version-info.ts'
import { allSchemas, type DocumentedKind, documentedKinds, gvkOf, objectPath, writeParameters } from './kinds.ts'

const pathOf = ({ definition: { group, version } }: DocumentedKind): string =>
  group === '' ? `api/${version}` : `apis/${group}/${version}`

/** /openapi/v3: which documents there are, one for each group and version. */
export function openApiV3Index(registry: Registry): Fields {
  const paths: Record<string, Fields> = {}
  const byPath = Map.groupBy(documentedKinds(registry), pathOf)
  for (const [path, kinds] of byPath) {
    const hash = createHash('sha256')
      .update(JSON.stringify([versionInfo.gitVersion, kinds]))
      .digest('hex')
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash.slice(0, 32).toUpperCase()}` }
  }
  return { paths }
}

/** /openapi/v3/apis/GROUP/VERSION: the schemas of its kinds with all they refer to. */
export function openApiV3(registry: Registry, schemas: Schemas, path: string): Fields | undefined {
  const kinds = documentedKinds(registry).filter(kind => pathOf(kind) === path)
  if (kinds.length === 0) return undefined
  const all = allSchemas(kinds, schemas)
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: versionInfo.gitVersion },
    paths: Object.fromEntries(
      kinds.map(({ definition, name }) => [objectPath(definition), pathItem(definition, name)])
    ),
    components: {
      schemas: reachable(
        kinds.map(({ name }) => name),
        all
      )
    }
  }
}

function pathItem(definition: DocumentedKind['definition'], name: string): Fields {
  const gvk = { 'x-kubernetes-group-version-kind': gvkOf(definition) }
  const content = { 'application/json': { schema: { $ref: `#/components/schemas/${name}` } } }
  const responses = { 200: { description: 'OK', content } }
  const parameters = writeParameters.map(parameter => ({ name: parameter, in: 'query', schema: { type: 'string' } }))
  const write = { parameters, responses, ...gvk }
  return {
    get: { 'x-kubernetes-action': 'get', responses, ...gvk },
    put: { 'x-kubernetes-action': 'put', ...write },
    patch: { 'x-kubernetes-action': 'patch', ...write }
  }
}

/** The named schemas and everything they refer to. */
function reachable(names: readonly string[], all: Record<string, Schema>): Record<string, Schema> {
  const found: Record<string, Schema> = {}
  const queue = [...names]
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const schema = all[name]
    if (schema === undefined || Object.hasOwn(found, name)) continue
    found[name] = schema
    for (const [, reference] of JSON.stringify(schema).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      queue.push(reference!)
    }
  }
  return found
}
