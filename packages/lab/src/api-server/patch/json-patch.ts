import { applyPatch, type Operation } from 'rfc6902'
import { copy } from '../objects.ts'
import { badRequest, StatusError } from '../status.ts'

/** Kubernetes' own bound on the operations of one patch. */
const maxOperations = 10_000

/** RFC 6902. Operations that do not fit the object are refused as 422, a malformed patch as 400. */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch) || !patch.every(isOperation)) {
    throw badRequest('json patch: expected an array of operations, each with "op" and "path"')
  }
  if (patch.length > maxOperations) {
    throw badRequest(`The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`)
  }
  // `applyPatch` would go on after a failed operation, in the middle of a half-made object.
  const document: { root: unknown } = { root: copy(target) }
  for (const operation of patch) {
    const [failure] = applyPatch(document, [below(operation, '/root')])
    if (failure !== null && failure !== undefined) {
      const { message, name } = failure
      throw new StatusError({
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: `the server rejected our request due to an error in our request: ${name}: ${message || operation.path}`,
        reason: 'Invalid',
        details: {},
        code: 422
      })
    }
  }
  return document.root
}

function isOperation(value: unknown): value is Operation {
  if (typeof value !== 'object' || value === null) return false
  const { op, path, from } = value as Record<string, unknown>
  const known = ['add', 'remove', 'replace', 'move', 'copy', 'test'].includes(String(op))
  return known && isPointer(path) && ((op !== 'move' && op !== 'copy') || isPointer(from))
}

/** The names that lead out of an object to what all objects share are no fields of Kubernetes. */
function isPointer(pointer: unknown): boolean {
  if (typeof pointer !== 'string' || !(pointer === '' || pointer.startsWith('/'))) return false
  return !pointer.split('/').some(part => ['__proto__', 'constructor', 'prototype'].includes(part))
}

/** The same operation with its pointers one level deeper, so that the whole document can be replaced too. */
function below(operation: Operation, prefix: string): Operation {
  const moved = { ...operation, path: prefix + operation.path }
  return 'from' in moved ? { ...moved, from: prefix + moved.from } : moved
}
