import { expect, it } from 'vitest'
import { type CniProcess, runCommand } from './run-command.ts'

const add = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/var/run/netns/x',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin'
}

async function run(
  env: Record<string, string>,
  input: string | (() => string)
): Promise<{ status: number; output: string }> {
  let output = ''
  const io: CniProcess = {
    env,
    pluginVersion: '1.2.3',
    readInput: () => (typeof input === 'string' ? input : input()),
    stdout: text => (output += text),
    stderr: () => {}
  }
  return { status: await runCommand(io), output }
}

const config = (version: string): string => JSON.stringify({ name: 'lab', cniVersion: version })

it.each([
  { why: 'a bad container id', env: { ...add, CNI_CONTAINERID: '../x' }, input: '{}', code: 4, msg: 'containerID' },
  {
    why: 'an interface name too long',
    env: { ...add, CNI_IFNAME: 'x'.repeat(16) },
    input: '{}',
    code: 4,
    msg: 'too long'
  },
  { why: 'an interface called ..', env: { ...add, CNI_IFNAME: '..' }, input: '{}', code: 4, msg: '. or ..' },
  { why: 'an interface with a slash', env: { ...add, CNI_IFNAME: 'a/b' }, input: '{}', code: 4, msg: 'contains' },
  {
    why: 'DEL without path',
    env: { ...add, CNI_COMMAND: 'DEL', CNI_PATH: '' },
    input: '{}',
    code: 4,
    msg: '[CNI_PATH]'
  },
  {
    why: 'an unknown command',
    env: { CNI_COMMAND: 'JUMP' },
    input: config('1.0.0'),
    code: 4,
    msg: 'unknown CNI_COMMAND: JUMP'
  },
  {
    why: 'an unknown command with bad input first',
    env: { CNI_COMMAND: 'JUMP' },
    input: '',
    code: 6,
    msg: 'unmarshall'
  },
  { why: 'input that is not JSON', env: add, input: 'x', code: 6, msg: 'unmarshall' },
  { why: 'input that is no object', env: add, input: '[]', code: 6, msg: 'unmarshall' },
  { why: 'a name that is no string', env: add, input: '{"name":1}', code: 6, msg: 'name is not a string' },
  { why: 'a version that is no string', env: add, input: '{"name":"a","cniVersion":1}', code: 6, msg: 'cniVersion' },
  { why: 'no name', env: add, input: '{}', code: 7, msg: 'missing network name' },
  { why: 'a name with a space', env: add, input: '{"name":"a b"}', code: 7, msg: 'invalid characters' },
  {
    why: 'a wrong type',
    env: add,
    input: '{"name":"a","ambient_enabled":"yes"}',
    code: 999,
    msg: 'failed to parse network configuration: ambient_enabled is '
  },
  {
    why: 'bad selectors',
    env: add,
    input: '{"name":"a","enablement_selectors":[{"podSelector":1}]}',
    code: 999,
    msg: 'enablement_selectors'
  },
  {
    why: 'a previous result of another family',
    env: add,
    input: '{"name":"a","cniVersion":"1.0.0","prevResult":{}}',
    code: 999,
    msg: 'could not parse prevResult'
  },
  {
    why: 'CHECK with an old version',
    env: { ...add, CNI_COMMAND: 'CHECK' },
    input: config('0.3.1'),
    code: 1,
    msg: 'config version does not allow CHECK'
  },
  {
    why: 'CHECK with a new version',
    env: { ...add, CNI_COMMAND: 'CHECK' },
    input: config('1.2.0'),
    code: 1,
    msg: 'plugin version does not allow CHECK'
  },
  {
    why: 'CHECK with a version between',
    env: { ...add, CNI_COMMAND: 'CHECK' },
    input: config('0.9.0'),
    code: 1,
    msg: 'incompatible CNI versions'
  },
  {
    why: 'CHECK with no version at all',
    env: { ...add, CNI_COMMAND: 'CHECK' },
    input: config('new'),
    code: 6,
    msg: 'cannot read version'
  },
  {
    why: 'GC with an old version',
    env: { ...add, CNI_COMMAND: 'GC' },
    input: config('1.0.0'),
    code: 1,
    msg: 'config version does not allow GC'
  },
  {
    why: 'DEL with an unknown version',
    env: { ...add, CNI_COMMAND: 'DEL' },
    input: config('3.0.0'),
    code: 1,
    msg: 'incompatible CNI versions'
  },
  {
    why: 'no kubeconfig',
    env: add,
    input: '{"name":"a","cni_agent_run_dir":"/nonexistent"}',
    code: 999,
    msg: 'failed to createNewK8sClient: ENOENT'
  }
])('refuses $why with $code', async ({ env, input, code, msg }) => {
  const { status, output } = await run(env, input)
  expect(status).toBe(1)
  expect(JSON.parse(output)).toMatchObject({ code, msg: expect.stringContaining(msg) })
})

it.each(['0.4.0', '1.0.0', '1.1.0'])('CHECK at %s does nothing', async version => {
  expect(await run({ ...add, CNI_COMMAND: 'CHECK' }, config(version))).toEqual({ status: 0, output: '' })
})

it.each(['GC', 'STATUS'])('%s at 1.1.0 does nothing', async command => {
  expect(await run({ CNI_COMMAND: command, CNI_PATH: '/x' }, config('1.1.0'))).toEqual({ status: 0, output: '' })
})

it('says so when standard input cannot be read', async () => {
  const { status, output } = await run(add, () => {
    throw new Error('EIO')
  })
  expect([status, JSON.parse(output).code]).toEqual([1, 5])
})
