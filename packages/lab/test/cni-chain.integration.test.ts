import fs from 'node:fs'
import path from 'node:path'
import { events } from '@culvert/kubernetes'
import { titled } from '@culvert/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, createCluster, labUnsupported } from '../src/index.ts'
import { podManifest, ready, unique } from './manifests.ts'

const unsupported = labUnsupported()

/** Writes down how it was called, passes the result on, and fails ADD as long as a file says so. */
const recorder = `#!${process.execPath}
const fs = require('node:fs')
const stdin = fs.readFileSync(0, 'utf8')
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('CNI_')))
const netns = fs.existsSync(env.CNI_NETNS)
const config = JSON.parse(stdin)
fs.mkdirSync('/run/recorded', { recursive: true })
fs.appendFileSync('/run/recorded/calls', JSON.stringify({ env, config, netns }) + '\\n')
if (env.CNI_COMMAND === 'ADD' && fs.existsSync('/run/recorded/fail')) {
  console.log(JSON.stringify({ code: 999, msg: 'not today', details: 'ask again' }))
  process.exit(1)
}
if (env.CNI_COMMAND === 'ADD') console.log(JSON.stringify({ ...config.prevResult, cniVersion: config.cniVersion }))
`

interface Call {
  readonly env: Record<string, string>
  readonly config: Record<string, unknown> & { prevResult?: { ips: { address: string }[] } }
  readonly netns: boolean
}

describe.skipIf(unsupported)(titled('the CNI chain', unsupported), () => {
  let cluster: Cluster
  const file = (name: string): string => cluster.nodes[0]!.path(name)
  const calls = (): Call[] =>
    fs.existsSync(file('/run/recorded/calls'))
      ? fs
          .readFileSync(file('/run/recorded/calls'), 'utf8')
          .trim()
          .split('\n')
          .map(line => JSON.parse(line))
      : []
  const callsFor = (name: string): Call[] =>
    calls().filter(({ env }) => env.CNI_ARGS!.includes(`K8S_POD_NAME=${name};`))

  beforeAll(async () => {
    cluster = await createCluster({ nodes: 1 })
    fs.mkdirSync(file('/run/recorded'))
    fs.writeFileSync(file('/opt/cni/bin/recorder'), recorder, { mode: 0o755 })
    // As an installer does: chained into the list that is there.
    const conflist = file('/etc/cni/net.d/10-lab.conflist')
    const list = JSON.parse(fs.readFileSync(conflist, 'utf8'))
    list.plugins.push({ type: 'recorder', setting: 'kept' })
    fs.writeFileSync(`${conflist}.tmp`, JSON.stringify(list))
    fs.renameSync(`${conflist}.tmp`, conflist)
  })
  afterAll(() => cluster?.close())

  it('is what the node has on disk, called like a container runtime calls it, from ADD to DEL', async () => {
    const name = unique('pod')
    await cluster.apply(podManifest({ name, container: ready }))
    const [pod] = await cluster.pods.ready({ name })
    const [add, ...more] = callsFor(name)
    expect(more).toEqual([])
    expect(add!.netns).toBe(true)
    expect(add!.env).toEqual({
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: expect.stringMatching(/^[0-9a-f]{64}$/),
      CNI_NETNS: expect.stringMatching(/^\/var\/run\/netns\/cni-[0-9a-f-]{36}$/),
      CNI_IFNAME: 'eth0',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name};K8S_POD_INFRA_CONTAINER_ID=${add!.env.CNI_CONTAINERID};K8S_POD_UID=${pod!.metadata!.uid}`,
      CNI_PATH: '/opt/cni/bin:/usr/lib/cni'
    })
    expect(add!.config).toMatchObject({ type: 'recorder', setting: 'kept', name: 'lab', cniVersion: '1.0.0' })
    expect(add!.config.prevResult?.ips.map(({ address }) => address)).toEqual([`${pod!.status!.podIP}/24`])

    await cluster.remove(podManifest({ name }))
    const [, del] = callsFor(name)
    expect(del!.env).toEqual({ ...add!.env, CNI_COMMAND: 'DEL' })
    expect(del!.config.prevResult).toEqual(add!.config.prevResult)
    expect(del!.netns).toBe(true)
    expect(fs.existsSync(file(path.join('/run/netns', path.basename(add!.env.CNI_NETNS!))))).toBe(false)
  })

  it('tears a sandbox down when a plugin fails, says so in an Event, and tries again', async () => {
    const name = unique('pod')
    fs.writeFileSync(file('/run/recorded/fail'), '')
    await cluster.apply(podManifest({ name, container: ready }))
    const failure = () =>
      cluster.client
        .list(events, { namespace: 'default', fieldSelector: `involvedObject.name=${name}` })
        .then(({ items }) => items.find(({ reason }) => reason === 'FailedCreatePodSandBox')?.message)
    await expect
      .poll(failure, { timeout: 10_000 })
      .toMatch(
        /failed to setup network for sandbox "[0-9a-f]{64}": plugin type="recorder" failed \(add\): not today; ask again/
      )
    fs.rmSync(file('/run/recorded/fail'))
    const [pod] = await cluster.pods.ready({ name })
    const commands = callsFor(name).map(({ env }) => `${env.CNI_COMMAND} ${env.CNI_CONTAINERID!.slice(0, 4)}`)
    // Every failed ADD was followed by its own DEL; the last ADD, of another sandbox, stands.
    expect(commands.length).toBeGreaterThanOrEqual(3)
    for (let index = 0; index + 1 < commands.length; index += 2) {
      expect(commands[index + 1]).toBe(commands[index]!.replace('ADD', 'DEL'))
    }
    expect(commands.at(-1)).toMatch(/^ADD/)
    const addresses = fs.readdirSync(file('/run/cni/networks/lab')).filter(entry => entry.startsWith('10.244.'))
    expect(addresses).toEqual([pod!.status!.podIP])
    await cluster.remove(podManifest({ name }))
  })

  it('is not asked for pods on the host network', async () => {
    const name = unique('host')
    await cluster.apply(podManifest({ name, spec: { hostNetwork: true } }))
    await cluster.pods.ready({ name })
    expect(callsFor(name)).toEqual([])
  })
})
