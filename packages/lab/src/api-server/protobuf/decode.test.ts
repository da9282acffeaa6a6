import { Random } from '@culvert/testing'
import { describe, expect, it } from 'vitest'
import { fieldNumbers } from './field-numbers.ts'
import { decodeEnvelope } from './envelope.ts'
import { decodeMessage, isKnownModel } from './decode.ts'
import { ProtobufError } from './reader.ts'
import { bool, message, string, varint } from './wire.ts'

const number = (field: number, value: number): Buffer => Buffer.concat([varint(field * 8), varint(value)])
const empty = (field: number): Buffer => message(field, [])

describe('decodes', () => {
  it.each([
    {
      name: 'metadata, maps and times',
      model: 'V1ConfigMap',
      bytes: [
        message(1, [
          string(1, 'a'),
          empty(8),
          message(11, [string(1, 'k'), string(2, 'v')]),
          string(14, 'f'),
          string(14, 'g')
        ]),
        message(2, [string(1, 'x'), string(2, '1')]),
        message(3, [string(1, 'y'), string(2, '\x01')])
      ],
      json: {
        metadata: { name: 'a', labels: { k: 'v' }, finalizers: ['f', 'g'] },
        data: { x: '1' },
        binaryData: { y: 'AQ==' }
      }
    },
    {
      name: 'zeros that mean something, and not the others',
      model: 'V1DeploymentSpec',
      bytes: [number(1, 0), number(5, 0), bool(7, false)],
      json: { replicas: 0 }
    },
    {
      name: 'fields of embedded messages as the own',
      model: 'V1Volume',
      bytes: [string(1, 'v'), message(2, [empty(2)])],
      json: { name: 'v', emptyDir: {} }
    },
    {
      name: 'quantities',
      model: 'V1ResourceRequirements',
      bytes: [message(1, [string(1, 'cpu'), message(2, [string(1, '100m')])])],
      json: { limits: { cpu: '100m' } }
    },
    {
      name: 'ports by number and by name',
      model: 'V1ServiceSpec',
      bytes: [
        message(1, [string(1, 'a'), number(3, 80), message(4, [number(1, 0), number(2, 8080)])]),
        message(1, [number(3, 81), message(4, [number(1, 1), string(3, 'web')])])
      ],
      json: {
        ports: [
          { name: 'a', port: 80, targetPort: 8080 },
          { port: 81, targetPort: 'web' }
        ]
      }
    },
    {
      name: 'times',
      model: 'V1LeaseSpec',
      bytes: [message(4, [number(1, 1_767_225_600), number(2, 1_500_000)])],
      json: { renewTime: '2026-01-01T00:00:00.001500Z' }
    },
    {
      name: 'lists inside maps',
      model: 'V1UserInfo',
      bytes: [message(4, [string(1, 'k'), message(2, [string(1, 'a'), string(1, 'b')])])],
      json: { extra: { k: ['a', 'b'] } }
    },
    {
      name: 'numbers below zero',
      model: 'V1PodSpec',
      bytes: [Buffer.from([0x20, ...Array(9).fill(0xff), 0x01])],
      json: { terminationGracePeriodSeconds: -1 }
    },
    {
      name: 'fields that are not known',
      model: 'V1ConfigMap',
      bytes: [string(100, 'x'), message(1, [string(1, 'a')])],
      json: { metadata: { name: 'a' } }
    },
    {
      name: 'keys from the prototype',
      model: 'V1ConfigMap',
      bytes: [message(2, [string(1, '__proto__'), string(2, 'x')])],
      json: { data: JSON.parse('{"__proto__":"x"}') }
    }
  ])('$name', ({ model, bytes, json }) => {
    expect(decodeMessage(Buffer.concat(bytes), model)).toEqual(json)
  })
})

it('opens the envelope', () => {
  const unknown = [message(1, [string(1, 'v1'), string(2, 'Namespace')]), message(2, [message(1, [string(1, 'shop')])])]
  const body = Buffer.concat([Buffer.from('k8s\0'), ...unknown])
  expect(decodeEnvelope(body)).toEqual({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } })
})

it('has nothing to say of kinds it does not know', () => {
  const unknown = [message(1, [string(1, 'a.b/v1'), string(2, 'Thing')])]
  expect(decodeEnvelope(Buffer.concat([Buffer.from('k8s\0'), ...unknown]))).toBeUndefined()
})

it('knows the types its types refer to', () => {
  for (const model of Object.keys(fieldNumbers)) {
    expect(isKnownModel(model)).toBe(true)
    expect(() => decodeMessage(Buffer.alloc(0), model)).not.toThrow()
  }
})

it('ends any bytes in an object or an error of its own', () => {
  const random = new Random(42)
  for (let round = 0; round < 3_000; round += 1) {
    const bytes = random.bytes(random.below(60))
    try {
      decodeMessage(bytes, 'V1Pod')
    } catch (error) {
      expect(error).toBeInstanceOf(ProtobufError)
    }
  }
})
