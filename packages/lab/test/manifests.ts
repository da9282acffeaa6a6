import { randomBytes } from 'node:crypto'
import type { V1Container, V1PodSpec } from '@culvert/kubernetes'

/** A name that no other test has. */
export const unique = (prefix: string): string => `${prefix}-${randomBytes(4).toString('hex')}`

export interface PodOptions {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Record<string, string>
  readonly container?: Partial<V1Container>
  readonly spec?: Partial<V1PodSpec>
}

/** A pod with one container of the test server, as JSON, which is YAML. */
export function podManifest({
  name,
  namespace = 'default',
  labels = { app: name },
  container,
  spec
}: PodOptions): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: {
      terminationGracePeriodSeconds: 5,
      containers: [{ name: 'main', image: 'culvert.dev/test/server', ...container }],
      ...spec
    }
  })
}

export const ready: Partial<V1Container> = { readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 } }

/** Puts manifests one behind the other. */
export const documents = (...texts: string[]): string => texts.join('\n---\n')
