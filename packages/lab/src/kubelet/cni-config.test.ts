import { describe, expect, it } from 'vitest'
import { chooseConfigFile, cniEnvironment, parseCniConfig, pluginInput, resultAddresses } from './cni-config.ts'

describe('chooseConfigFile', () => {
  it.each([
    { files: ['20-b.conflist', '10-a.conf', 'README', '05-x.conflist.tmp'], chosen: '10-a.conf' },
    // Byte order: upper case first.
    { files: ['a.conflist', 'Z.json'], chosen: 'Z.json' },
    { files: ['istio-cni-kubeconfig'], chosen: undefined }
  ])('takes $chosen of $files', ({ files, chosen }) => {
    expect(chooseConfigFile(files)).toBe(chosen)
  })
})

describe('parseCniConfig', () => {
  it('wraps a single configuration into a list', () => {
    const config = parseCniConfig('{"cniVersion":"1.0.0","name":"n","type":"bridge"}', 'a.conf')
    expect(config.plugins.map(({ type }) => type)).toEqual(['bridge'])
  })

  it.each([
    ['{', 'a.conflist: not JSON'],
    ['[]', 'not a JSON object'],
    ['{"plugins":[{"type":"x"}]}', 'its name is missing'],
    ['{"name":"n","cniVersion":1,"plugins":[{"type":"x"}]}', 'its cniVersion is not a string'],
    ['{"name":"n","plugins":[]}', 'its plugins are missing'],
    ['{"name":"n","plugins":[{}]}', 'a plugin has no type'],
    ['{"name":"n","plugins":[{"type":"../../bin/sh"}]}', "plugin type '../../bin/sh' must be a file name"]
  ])('refuses %s', (text, message) => {
    expect(() => parseCniConfig(text, 'a.conflist')).toThrow(message)
  })
})

describe('calls', () => {
  const config = parseCniConfig(
    '{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"x","mtu":1500,"capabilities":{"portMappings":true}}]}',
    'a.conflist'
  )

  it('hand a plugin its own keys, the list name and version, and the result so far', () => {
    expect(JSON.parse(pluginInput(config, config.plugins[0]!, { ips: [] }))).toEqual({
      type: 'x',
      mtu: 1500,
      name: 'lab',
      cniVersion: '1.0.0',
      prevResult: { ips: [] }
    })
    expect(JSON.parse(pluginInput(config, config.plugins[0]!, undefined))).not.toHaveProperty('prevResult')
  })

  it('carry the pod in CNI_ARGS', () => {
    const pod = { namespace: 'shop', name: 'till-0', uid: '0d5f' }
    const call = {
      command: 'ADD',
      containerId: '7f3a',
      netns: '/var/run/netns/cni-5b2e',
      pod,
      path: ['/a', '/b']
    } as const
    expect(cniEnvironment(call)).toEqual({
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: '7f3a',
      CNI_NETNS: '/var/run/netns/cni-5b2e',
      CNI_IFNAME: 'eth0',
      CNI_ARGS:
        'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=till-0;K8S_POD_INFRA_CONTAINER_ID=7f3a;K8S_POD_UID=0d5f',
      CNI_PATH: '/a:/b'
    })
  })

  it.each([
    [{ ips: [{ address: '10.244.1.7/24' }, { address: 'fd00::7/64' }] }, ['10.244.1.7', 'fd00::7']],
    [{ ips: 'none' }, []],
    [null, []]
  ])('give the addresses of %j', (result, addresses) => {
    expect(resultAddresses(result)).toEqual(addresses)
  })
})
