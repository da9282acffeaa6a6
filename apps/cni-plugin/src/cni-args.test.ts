import { expect, it } from 'vitest'
import { readCniArgs } from './cni-args.ts'

it.each([
  ['', { name: '', namespace: '' }],
  ['K8S_POD_NAME=a;K8S_POD_NAMESPACE=b;K8S_POD_UID=c;K8S_POD_INFRA_CONTAINER_ID=d', { name: 'a', namespace: 'b' }],
  ['X=1;K8S_POD_NAME=a;IgnoreUnknown=TRUE', { name: 'a', namespace: '' }],
  ['K8S_POD_NAME=a;K8S_POD_NAME=b', { name: 'b', namespace: '' }]
])('reads %s', (text, expected) => {
  expect(readCniArgs(text)).toEqual(expected)
})

it.each([
  ['K8S_POD_NAME=a;', 'failed to load args: ARGS: invalid pair ""'],
  ['K8S_POD_NAME', 'failed to load args: ARGS: invalid pair "K8S_POD_NAME"'],
  ['K8S_POD_NAME=a=b', 'failed to load args: ARGS: invalid pair "K8S_POD_NAME=a=b"'],
  ['X=1;K8S_POD_NAME=a', 'failed to load args: ARGS: unknown args ["X=1"]'],
  ['X=1;IgnoreUnknown=false', 'unknown args ["X=1"]'],
  ['IgnoreUnknown=yes', 'error parsing value of pair "IgnoreUnknown=yes"'],
  ['IgnoreUnknown=constructor', 'error parsing value']
])('refuses %s', (text, message) => {
  expect(() => readCniArgs(text)).toThrow(message)
})
