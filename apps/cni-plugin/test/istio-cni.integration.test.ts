import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { buildPlugin } from '../build.ts'
import { addFor, ambientLabel, configFor, startNode, type TestNode } from './node.ts'

let executable: string
let node: TestNode

beforeAll(async () => {
  executable = await buildPlugin()
}, 120_000)

beforeEach(async () => {
  node = await startNode(executable)
})

afterEach(async () => await node[Symbol.asyncDispose]())

/** docs/spec/cni.md 8.1 */
const prevResult = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'cbr' }, { name: 'veth7f3a' }, { name: 'eth0', sandbox: '/var/run/netns/cni-5b2e' }],
  ips: [
    { address: '10.42.3.17/24', gateway: '10.42.3.1', interface: 2 },
    { address: 'fd42:3::11/64', interface: 2 }
  ]
}
const eventBody =
  '{"Netns":"/var/run/netns/cni-5b2e","PodName":"till-0","PodNamespace":"shop","IPs":[{"Interface":2,"Address":{"IP":"10.42.3.17","Mask":"////AA=="},"Gateway":"10.42.3.1"},{"Interface":2,"Address":{"IP":"fd42:3::11","Mask":"//////////8AAAAAAAAAAA=="},"Gateway":""}]}'

it('[cni-1] tells its versions, whatever is on standard input', async () => {
  const run = await node.run({ CNI_COMMAND: 'VERSION' })
  expect(run).toMatchObject({
    code: 0,
    stderr: '',
    stdout: '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\n'
  })
})

it('[cni-2] introduces itself to whoever runs it without a command, in an empty environment', async () => {
  const run = await node.run({})
  expect(run).toMatchObject({ code: 0, stdout: '' })
  expect(run.stderr).toContain('CNI plugin istio-cni ')
  expect(run.stderr).toContain('CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n')
})

it('[cni-3] names the missing variables together', async () => {
  const run = await node.run({ CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'x', CNI_PATH: '/opt/cni/bin' }, configFor(node))
  expect(run.code).toBe(1)
  expect(run.stdout).toBe('{\n    "code": 4,\n    "msg": "required env variables [CNI_NETNS,CNI_IFNAME] missing"\n}')
})

it('[cni-4] refuses a version it does not know, before any request', async () => {
  await node.listen('pluginevent.sock')
  const run = await node.run(addFor('shop', 'till-0'), configFor(node, { cniVersion: '2.0.0' }))
  expect(run.code).toBe(1)
  expect(JSON.parse(run.stdout)).toEqual({
    code: 1,
    msg: 'incompatible CNI versions',
    details: 'config is "2.0.0", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]'
  })
  expect([node.requests, node.events]).toEqual([[], []])
})

it('[cni-5] refuses a bad network name', async () => {
  const run = await node.run(addFor('shop', 'till-0'), configFor(node, { name: '-bad' }))
  expect([run.code, JSON.parse(run.stdout).code]).toEqual([1, 7])
})

it('[cni-6] does nothing on DEL', async () => {
  await node.listen('pluginevent.sock')
  node.pod('shop', 'till-0', {}, ambientLabel)
  const run = await node.run(addFor('shop', 'till-0', { CNI_COMMAND: 'DEL' }), configFor(node, { prevResult }))
  expect(run).toMatchObject({ code: 0, stdout: '', stderr: '' })
  expect([node.requests, node.events]).toEqual([[], []])
})

it('[cni-7] has an ambient pod captured and passes the previous result on', async () => {
  await node.listen('pluginevent.sock')
  node.pod('shop', 'till-0', {}, ambientLabel)
  const run = await node.run(addFor('shop', 'till-0'), configFor(node, { prevResult }))
  expect(run.code, run.stdout).toBe(0)
  expect(node.events.map(event => event.body)).toEqual([eventBody])
  expect(Buffer.byteLength(eventBody)).toBe(263)
  expect(node.events[0]!.headers).toMatchObject({
    host: 'unix',
    'content-type': 'application/json',
    'content-length': '263'
  })
  expect(node.requests).toEqual(['GET /api/v1/namespaces/shop/pods/till-0', 'GET /api/v1/namespaces/shop'])
  expect(run.stdout).toBe(`{
    "cniVersion": "1.0.0",
    "interfaces": [
        {
            "name": "cbr"
        },
        {
            "name": "veth7f3a"
        },
        {
            "name": "eth0",
            "sandbox": "/var/run/netns/cni-5b2e"
        }
    ],
    "ips": [
        {
            "address": "10.42.3.17/24",
            "gateway": "10.42.3.1",
            "interface": 2
        },
        {
            "address": "fd42:3::11/64",
            "interface": 2
        }
    ]
}`)
})

it('[cni-8] fails an ambient pod at once when no agent listens', async () => {
  node.pod('shop', 'till-0', { metadata: { labels: ambientLabel } })
  const run = await node.run(addFor('shop', 'till-0'), configFor(node, { prevResult }))
  expect(run.code).toBe(1)
  const error = JSON.parse(run.stdout)
  expect(error.code).toBe(999)
  expect(error.msg).toMatch(
    /^istio-cni cmdAdd failed to contact node Istio CNI agent: failed to send event request: .*ENOENT/
  )
  expect(run.milliseconds).toBeLessThan(5000)
})

it('[cni-9] gives the agent 5 s', async () => {
  await node.listen('pluginevent.sock')
  node.agentAnswer = undefined
  node.pod('shop', 'till-0', {}, ambientLabel)
  const run = await node.run(addFor('shop', 'till-0'), configFor(node, { prevResult }))
  expect(run.code).toBe(1)
  expect(JSON.parse(run.stdout).msg).toContain('failed to send event request: no answer within 5000 ms')
  expect(run.milliseconds).toBeGreaterThan(4900)
  expect(run.milliseconds).toBeLessThan(9000)
})

it("passes the agent's refusal on", async () => {
  await node.listen('pluginevent.sock')
  node.agentAnswer = { status: 500, body: 'no ztunnel connection\n' }
  node.pod('shop', 'till-0', {}, ambientLabel)
  const run = await node.run(addFor('shop', 'till-0'), configFor(node, { prevResult }))
  expect(run.code).toBe(1)
  expect(run.stdout).toBe(`{
    "code": 999,
    "msg": "istio-cni cmdAdd failed to contact node Istio CNI agent: unable to push CNI event (status code 500): no ztunnel connection\\n"
}`)
})

it('[cni-10] leaves an excluded namespace alone', async () => {
  await node.listen('pluginevent.sock')
  node.pod('kube-system', 'till-0', { metadata: { labels: ambientLabel } }, ambientLabel)
  const run = await node.run(addFor('kube-system', 'till-0'), configFor(node, { prevResult }))
  expect(run.code).toBe(0)
  expect(JSON.parse(run.stdout)).toEqual(prevResult)
  expect([node.requests, node.events]).toEqual([[], []])
})

it('[cni-11] prints the bare version for a plain pod without previous result', async () => {
  await node.listen('pluginevent.sock')
  node.pod('shop', 'till-0', { spec: { containers: [{ name: 'app' }] } })
  const run = await node.run(addFor('shop', 'till-0'), configFor(node))
  expect(run).toMatchObject({ code: 0, stdout: '{\n    "cniVersion": "1.0.0"\n}' })
  expect(node.events).toEqual([])
})

it('[cni-13] needs its kubeconfig even for an excluded namespace', async () => {
  fs.rmSync(path.join(node.runDir, 'istio-cni-kubeconfig'))
  const run = await node.run(addFor('kube-system', 'till-0'), configFor(node))
  expect(run.code).toBe(1)
  const error = JSON.parse(run.stdout)
  expect(error.code).toBe(999)
  expect(error.msg).toContain('createNewK8sClient')
})

it("reads the kubeconfig of Istio's node agent, which is YAML", async () => {
  const file = path.join(node.runDir, 'istio-cni-kubeconfig')
  fs.writeFileSync(file, stringify(JSON.parse(fs.readFileSync(file, 'utf8'))))
  expect(await node.run(addFor('kube-system', 'till-0'), configFor(node))).toMatchObject({ code: 0 })
})

it("lets the node agent's own pod pass without kubeconfig", async () => {
  fs.rmSync(path.join(node.runDir, 'istio-cni-kubeconfig'))
  const run = await node.run(addFor('istio-system', 'istio-cni-node-x7'), configFor(node, { prevResult }))
  expect(run.code, run.stdout).toBe(0)
  const impostor = await node.run(addFor('shop', 'istio-cni-node-x7'), configFor(node, { prevResult }))
  expect(impostor.code).toBe(1)
})

it('[cni-15] passes an injected pod that redirects by itself', async () => {
  const proxy = { name: 'istio-proxy', args: ['proxy', 'sidecar'] }
  const injected = { metadata: { annotations: { 'sidecar.istio.io/status': '{}' } } }
  node.pod('shop', 'old', { ...injected, spec: { initContainers: [{ name: 'istio-init' }], containers: [proxy] } })
  expect(await node.run(addFor('shop', 'old'), configFor(node))).toMatchObject({ code: 0 })
})

it('refuses a pod whose sidecar would need redirection', async () => {
  const proxy = { name: 'istio-proxy', args: ['proxy', 'sidecar'] }
  node.pod(
    'shop',
    'injected',
    { metadata: { annotations: { 'sidecar.istio.io/status': '{}' } }, spec: { containers: [proxy] } },
    ambientLabel
  )
  const run = await node.run(addFor('shop', 'injected'), configFor(node))
  expect(run.code).toBe(1)
  expect(JSON.parse(run.stdout)).toEqual({
    code: 999,
    msg: 'pod shop/injected has an injected sidecar: sidecar redirection is not in this release'
  })
})

it('tries again after a failed GET, and then believes the pod is not ambient', async () => {
  await node.listen('pluginevent.sock')
  node.pod('shop', 'till-0', {}, ambientLabel)
  node.objects.delete('/api/v1/namespaces/shop')
  const run = await node.run(addFor('shop', 'till-0'), configFor(node))
  expect(run.code).toBe(0)
  expect(node.events).toEqual([])
  const get = ['GET /api/v1/namespaces/shop/pods/till-0', 'GET /api/v1/namespaces/shop']
  expect(node.requests).toEqual([...get, ...get, 'GET /api/v1/namespaces/shop/pods/till-0'])
})

it('passes sandboxes that are no pods', async () => {
  const run = await node.run(addFor('', '', { CNI_ARGS: '' }), configFor(node))
  expect(run.code).toBe(0)
  expect(node.requests).toEqual([])
})

it('refuses its own network namespace after the result is out', async () => {
  const own = addFor('kube-system', 'x', { CNI_NETNS: '/proc/self/ns/net' })
  const run = await node.run(own, configFor(node))
  expect(run.code).toBe(1)
  expect(run.stdout).toMatch(/^\{\n {4}"cniVersion": "1\.0\.0"\n\}\{\n {4}"code": 8,/)
  for (const override of ['1', 'TRUE']) {
    expect((await node.run({ ...own, CNI_NETNS_OVERRIDE: override }, configFor(node))).code).toBe(0)
  }
})

it('starts from its launcher, through links and from any directory', async () => {
  const launcher = path.resolve(import.meta.dirname, '../bin/istio-cni')
  fs.symlinkSync(launcher, path.join(node.runDir, 'first'))
  fs.symlinkSync('first', path.join(node.runDir, 'second'))
  const { stderr } = spawnSync(path.join(node.runDir, 'second'), { cwd: '/', env: {}, encoding: 'utf8' })
  expect(stderr).toContain('CNI plugin istio-cni ')
})

it('ignores what the runtime has in NODE_OPTIONS', async () => {
  const run = await node.run({ CNI_COMMAND: 'VERSION', NODE_OPTIONS: '--require /nonexistent' })
  expect(run).toMatchObject({ code: 0, stderr: '' })
})

it('waits for a pod that the API server does not know yet', async () => {
  const url = '/api/v1/namespaces/shop/pods/late'
  const running = node.run(addFor('shop', 'late'), configFor(node, { ambient_enabled: false }))
  await expect.poll(() => node.requests, { timeout: 20_000 }).toEqual([`GET ${url}`])
  node.pod('shop', 'late')
  expect((await running).code).toBe(0)
  expect(node.requests).toEqual([`GET ${url}`, `GET ${url}`])
})

it('logs to standard error, to its file, and to the node agent', async () => {
  await node.listen('log.sock')
  node.pod('shop', 'till-0', {}, ambientLabel)
  const run = await node.run(addFor('shop', 'till-0'), configFor(node))
  expect(run.code).toBe(1)
  expect(JSON.parse(run.stderr)).toEqual({
    level: 'error',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    msg: JSON.parse(run.stdout).msg
  })
  expect(fs.readFileSync(path.join(node.runDir, 'istio-cni.log'), 'utf8')).toBe(run.stderr)
  expect(node.events).toMatchObject([{ url: '/log', body: JSON.stringify([run.stderr]) }])
})
