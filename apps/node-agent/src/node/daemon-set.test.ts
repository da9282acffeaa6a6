import { KubernetesError, type V1DaemonSet, type V1Node } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { askForDaemonSet, matchesNode } from './daemon-set.ts'

type Affinity = { matchExpressions?: object[]; matchFields?: object[] }[]

const daemonSet = (terms?: Affinity, nodeSelector?: Record<string, string>, metadata: object = {}): V1DaemonSet =>
  ({
    metadata: { name: 'istio-cni-node', ...metadata },
    spec: {
      template: {
        spec: {
          ...(nodeSelector && { nodeSelector }),
          ...(terms && {
            affinity: {
              nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } }
            }
          })
        }
      }
    }
  }) as unknown as V1DaemonSet

const node = { metadata: { name: 'n1', labels: { zone: 'a', cores: '8' } } } as V1Node

describe('does the DaemonSet still want this node', () => {
  it.each([
    { terms: undefined, selector: undefined, matches: true },
    { terms: undefined, selector: { zone: 'a' }, matches: true },
    { terms: undefined, selector: { zone: 'b' }, matches: false },
    {
      terms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['b'] }] }],
      selector: undefined,
      matches: false
    },
    {
      terms: [{}, { matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['b'] }] }],
      selector: undefined,
      matches: true
    },
    { terms: [{}], selector: undefined, matches: false },
    {
      terms: [{ matchExpressions: [{ key: 'cores', operator: 'Gt', values: ['4'] }] }],
      selector: undefined,
      matches: true
    },
    {
      terms: [{ matchExpressions: [{ key: 'cores', operator: 'Lt', values: ['4'] }] }],
      selector: undefined,
      matches: false
    },
    {
      terms: [{ matchExpressions: [{ key: 'gpu', operator: 'Gt', values: ['0'] }] }],
      selector: undefined,
      matches: false
    },
    {
      terms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }],
      selector: undefined,
      matches: true
    }
  ])('$terms, $selector: $matches', ({ terms, selector, matches }) => {
    expect(matchesNode(daemonSet(terms as Affinity | undefined, selector), node)).toBe(matches)
  })
})

describe('the question', () => {
  const ask = (get: () => Promise<unknown>) =>
    askForDaemonSet({ get: get as never }, { podNamespace: 'istio-system', nodeName: 'n1' })
  const answers = (...objects: unknown[]) => {
    const left = [...objects]
    return async () => left.shift()
  }

  it('tells what the API server said', async () => {
    expect(await ask(answers(undefined))).toEqual({ kind: 'absent' })
    expect(await ask(answers(daemonSet(undefined, undefined, { deletionTimestamp: 'now' })))).toEqual({
      kind: 'deleting'
    })
    expect(await ask(answers(daemonSet(), node))).toEqual({ kind: 'present', matchesNode: true })
    expect(await ask(answers(daemonSet(), undefined))).toMatchObject({ kind: 'failed' })
    const refused = async () =>
      Promise.reject(new KubernetesError('KUBERNETES_UNAUTHORIZED', 'who are you', { status: 401 }))
    expect(await ask(refused)).toEqual({ kind: 'unauthorized' })
    const away = async () => Promise.reject(new KubernetesError('KUBERNETES_UNREACHABLE', 'away'))
    expect(await ask(away)).toMatchObject({ kind: 'failed' })
  })
})
