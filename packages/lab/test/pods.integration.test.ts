import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { events, pods, type V1Pod } from '@culvert/kubernetes'
import { titled } from '@culvert/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, createCluster, labUnsupported } from '../src/index.ts'
import { documents, podManifest, ready, unique } from './manifests.ts'

const unsupported = labUnsupported()

describe.skipIf(unsupported)(titled('pods of a lab cluster', unsupported), () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await createCluster({ nodes: 2 })
  })
  afterAll(() => cluster?.close())

  const start = async (name: string, o: Omit<Parameters<typeof podManifest>[0], 'name'> = {}): Promise<V1Pod> => {
    await cluster.apply(podManifest({ name, ...o }))
    const [pod] = await cluster.pods.ready({ name })
    return pod!
  }
  const sh = async (name: string, script: string): Promise<string> => {
    const { code, stdout, stderr } = await cluster.pods.exec({ name }, ['sh', '-c', script])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout
  }
  const onNode = (number: number) => ({ nodeName: `node-${number}` })
  const waitForPod = (name: string, condition: (pod: V1Pod) => boolean, description: string) =>
    cluster.waitFor(pods, { namespace: 'default', name }, pod => pod !== undefined && condition(pod), { description })
  const waitingReason = (pod: V1Pod): string | undefined => pod.status?.containerStatuses?.[0]?.state?.waiting?.reason

  it('talk across nodes by address, service address and name, and to themselves through the service', async () => {
    const [a, b, name] = [unique('a'), unique('b'), unique('service')]
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { selector: { group: a }, ports: [{ port: 80, targetPort: 8080 }] }
    }
    const labels = { group: a }
    await cluster.apply(
      documents(
        JSON.stringify(service),
        podManifest({ name: a, labels, container: ready, spec: onNode(1) }),
        podManifest({ name: b, labels, container: ready, spec: onNode(2) })
      )
    )
    const both = await cluster.pods.ready({ labelSelector: `group=${a}`, count: 2 })
    const ipOf = (name: string): string => both.find(({ metadata }) => metadata?.name === name)!.status!.podIP!
    expect(await sh(a, `curl -sS -m 5 http://${ipOf(b)}:8080/`)).toBe(`${b}\n`)
    const names = [name, `${name}.default`, `${name}.default.svc.cluster.local`]
    // The nodes' rules follow a moment after readiness.
    await expect
      .poll(async () => (await cluster.pods.exec({ name: a }, ['curl', '-s', `http://${name}/`])).code)
      .toBe(0)
    for (const host of names) expect([`${a}\n`, `${b}\n`]).toContain(await sh(a, `curl -sS -m 5 http://${host}/`))
    // Each attempt meets one endpoint at random: after 40 both were seen, or the dice are loaded.
    const answers = await sh(a, `for i in $(seq 40); do curl -sS -m 5 http://${name}/; done`)
    expect(new Set(answers.trim().split('\n'))).toEqual(new Set([a, b]))
    // The node itself reaches the service as well.
    const fromNode = await cluster.nodes[0]!.exec(['curl', '-sS', '-m', '5', `http://${names[2]}/`])
    expect([`${a}\n`, `${b}\n`]).toContain(fromNode.stdout)
  })

  it('refuse connections to services without endpoints, at once', async () => {
    const [pod, service] = [unique('client'), unique('empty')]
    await cluster.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: service, namespace: 'default' },
        spec: { ports: [{ port: 80 }] }
      })
    )
    await start(pod)
    const { code, stderr } = await cluster.pods.exec({ name: pod }, ['curl', '-sS', '-m', '5', `http://${service}/`])
    expect({ code, stderr }).toEqual({ code: 7, stderr: expect.stringContaining("Couldn't connect") })
  })

  it('have their own network, mounts, processes, host name and files', async () => {
    const name = unique('pod')
    const pod = await start(name)
    const look = await sh(
      name,
      'hostname; cat /etc/hostname; ls /proc | grep -c "^[0-9]"; touch /only-here /etc/only-here; ip -o -4 addr show eth0'
    )
    const [hostname, file, processes, address] = look.split('\n')
    expect([hostname, file]).toEqual([name, name])
    expect(Number(processes)).toBeLessThan(8)
    expect(address).toContain(`inet ${pod.status!.podIP}/24`)
    expect(fs.existsSync('/only-here') || fs.existsSync('/etc/only-here')).toBe(false)
    expect(await sh(name, 'cat /etc/resolv.conf')).toBe(
      'search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n'
    )
  })

  it('have their processes in a cgroup named as a kubelet names it', async () => {
    const name = unique('pod')
    const pod = await start(name)
    const groups = fs.readFileSync(`/proc/${cluster.pods.pid({ name })}/cgroup`, 'utf8')
    const path = groups.split('\n').find(line => line.includes('kubepods'))
    const id = pod.status!.containerStatuses![0]!.containerID!.replace('culvert://', '')
    expect(path).toMatch(new RegExp(`/${pod.spec!.nodeName}/kubepods/besteffort/pod${pod.metadata!.uid}/${id}$`))
  })

  it('get their service account token, bound to them, and reach the API with it', async () => {
    const name = unique('pod')
    const pod = await start(name)
    const directory = '/var/run/secrets/kubernetes.io/serviceaccount'
    expect(await sh(name, `cat ${directory}/namespace`)).toBe('default')
    const token = await sh(name, `cat ${directory}/token`)
    const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
    expect(claims['kubernetes.io'].pod).toEqual({ name, uid: pod.metadata!.uid })
    const url = 'https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/default/pods'
    const answer = await sh(
      name,
      `curl -sS -m 5 --cacert ${directory}/ca.crt -H "Authorization: Bearer $(cat ${directory}/token)" ${url}/${name}`
    )
    expect(JSON.parse(answer)).toMatchObject({ kind: 'Pod', metadata: { uid: pod.metadata!.uid } })
  })

  it('mount ConfigMaps, Secrets, projected tokens, their own fields and shared scratch space', async () => {
    const [name, config] = [unique('pod'), unique('config')]
    const object = (kind: string, fields: object) =>
      JSON.stringify({ apiVersion: 'v1', kind, metadata: { name: config, namespace: 'default' }, ...fields })
    await cluster.apply(
      documents(object('ConfigMap', { data: { colour: 'red' } }), object('Secret', { data: { key: 'czNjcmV0' } }))
    )
    const volumes = [
      { name: 'config', configMap: { name: config } },
      { name: 'secret', secret: { secretName: config, items: [{ key: 'key', path: 'deep/key', mode: 0o400 }] } },
      {
        name: 'token',
        projected: { sources: [{ serviceAccountToken: { audience: 'istio-ca', path: 'istio-token' } }] }
      },
      { name: 'fields', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      { name: 'scratch', emptyDir: {} }
    ]
    const volumeMounts = volumes.map(volume => ({ name: volume.name, mountPath: `/volumes/${volume.name}` }))
    const writer = {
      name: 'writer',
      image: 'culvert.dev/test/pause',
      command: ['sh', '-c', 'echo hello > /volumes/scratch/file; trap "exit 0" TERM; while :; do sleep 0.1; done'],
      volumeMounts
    }
    const main = { name: 'main', image: 'culvert.dev/test/server', volumeMounts }
    await start(name, { labels: { app: name, tier: 'one' }, spec: { volumes, containers: [main, writer] } })
    const read = (file: string): Promise<string> => sh(name, `cat /volumes/${file}`)
    expect(await read('config/colour')).toBe('red')
    expect(await read('secret/deep/key')).toBe('s3cret')
    expect(await sh(name, 'stat -L -c %a /volumes/secret/deep/key')).toBe('400\n')
    const claims = JSON.parse(Buffer.from((await read('token/istio-token')).split('.')[1]!, 'base64url').toString())
    expect(claims.aud).toEqual(['istio-ca'])
    expect(await read('fields/labels')).toBe(`app="${name}"\ntier="one"`)
    await expect.poll(() => read('scratch/file')).toBe('hello\n')
    // Changes arrive without a restart.
    await cluster.apply(object('ConfigMap', { data: { colour: 'blue' } }))
    await expect.poll(() => read('config/colour'), { timeout: 10_000 }).toBe('blue')
    const labels = { app: name, tier: 'two' }
    await cluster.client.patch(pods, { namespace: 'default', name }, { metadata: { labels } }, { type: 'merge' })
    await expect.poll(() => read('fields/labels'), { timeout: 10_000 }).toContain('tier="two"')
  })

  it('see later mounts of the node where they ask for them, and only there', async () => {
    const name = unique('pod')
    const volumes = [{ name: 'netns', hostPath: { path: '/var/run/netns', type: 'DirectoryOrCreate' } }]
    const volumeMounts = [
      { name: 'netns', mountPath: '/host/var/run/netns', mountPropagation: 'HostToContainer' },
      { name: 'netns', mountPath: '/other' }
    ]
    await start(name, { container: { volumeMounts }, spec: { ...onNode(1), volumes } })
    const later = unique('later')
    await start(later, { spec: onNode(1) })
    const types = await sh(
      name,
      'cd /host/var/run/netns && stat -f -c %T cni-* | sort | uniq -c; cd /other && stat -f -c %T cni-* | sort | uniq -c'
    )
    const [seen, others] = types
      .trim()
      .split('\n')
      .map(line => line.trim())
    const count = fs.readdirSync(cluster.nodes[0]!.path('/run/netns')).length
    expect(seen).toBe(`${count} nsfs`)
    expect(others).not.toBe(`${count} nsfs`)
  })

  it('run with the capabilities and user that they were given', async () => {
    const name = unique('pod')
    const securityContext = {
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      runAsGroup: 1337,
      readOnlyRootFilesystem: true
    }
    await start(name, { container: { ...ready, securityContext } })
    const status = fs.readFileSync(`/proc/${cluster.pods.pid({ name })}/status`, 'utf8')
    const CAP_NET_ADMIN = 1n << 12n
    expect(BigInt(`0x${/CapEff:\s*(\w+)/.exec(status)![1]}`)).toBe(CAP_NET_ADMIN)
    expect(/Gid:\s*(\d+)/.exec(status)![1]).toBe('1337')
    const { stderr } = await cluster.pods.exec({ name }, ['touch', '/file'])
    expect(stderr).toContain('Read-only file system')
  })

  it('start their containers after the init containers, in order', async () => {
    const name = unique('pod')
    const volumes = [{ name: 'scratch', emptyDir: {} }]
    const step = (label: string) => ({
      name: label,
      image: 'culvert.dev/test/pause',
      command: ['sh', '-c', `echo ${label} >> /scratch/steps`],
      volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }]
    })
    const container = { volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] }
    const pod = await start(name, { container, spec: { volumes, initContainers: [step('one'), step('two')] } })
    expect(await sh(name, 'cat /scratch/steps')).toBe('one\ntwo\n')
    expect(pod.status?.initContainerStatuses?.map(({ state }) => state?.terminated?.reason)).toEqual([
      'Completed',
      'Completed'
    ])
  })

  it('wait for an unknown image, and start once it is known', async () => {
    const [name, image] = [unique('pod'), unique('culvert.dev/none')]
    await cluster.apply(podManifest({ name, container: { image } }))
    const pod = await waitForPod(name, pod => waitingReason(pod) === 'ErrImagePull', 'ErrImagePull')
    expect(pod!.status).toMatchObject({
      phase: 'Pending',
      containerStatuses: [{ state: { waiting: { message: `image "${image}" is not in the lab's catalogue` } } }]
    })
    await waitForPod(name, pod => waitingReason(pod) === 'ImagePullBackOff', 'ImagePullBackOff')
    cluster.registerImage(image, { command: ['sleep', '1000'] })
    await cluster.pods.ready({ name })
    await cluster.client.delete(pods, { namespace: 'default', name }, { gracePeriodSeconds: 0 })
  })

  it('see their image’s files also below a volume', async () => {
    const [name, image] = [unique('pod'), `${unique('example')}/deep`]
    const file = import.meta.filename
    cluster.registerImage(image, { command: ['sleep', '1000'], files: { '/data/deep/down/file': file } })
    await start(name, {
      container: { image, volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      spec: { volumes: [{ name: 'data', emptyDir: {} }] }
    })
    expect(await sh(name, 'head -c 9 /data/deep/down/file; touch /data/mine')).toBe('import fs')
  })

  it('are ready while their readiness probe from the node succeeds', async () => {
    const name = unique('pod')
    const flag = { exec: { command: ['test', '!', '-e', '/not-ready'] }, periodSeconds: 1, failureThreshold: 1 }
    await start(name, { container: { readinessProbe: flag } })
    await sh(name, 'touch /not-ready')
    const isReady = (pod: V1Pod): boolean => pod.status?.containerStatuses?.[0]?.ready ?? false
    await waitForPod(name, pod => !isReady(pod), 'not ready any more')
    await sh(name, 'rm /not-ready')
    await waitForPod(name, isReady, 'ready again')
    const served = unique('pod')
    await start(served, { container: ready })
    expect(await cluster.pods.logs({ name: served })).toMatch(/GET \/ from ::ffff:10\.244\.\d\.1\n/)
  })

  it('are restarted when the liveness probe fails, keeping the log of the run before', async () => {
    const name = unique('pod')
    const livenessProbe = { exec: { command: ['test', '!', '-e', '/broken'] }, periodSeconds: 1, failureThreshold: 1 }
    await start(name, { container: { livenessProbe } })
    await sh(name, 'touch /broken')
    const pod = await waitForPod(
      name,
      ({ status }) =>
        (status?.containerStatuses?.[0]?.restartCount ?? 0) > 0 &&
        status?.containerStatuses?.[0]?.state?.running !== undefined,
      'a restart'
    )
    expect(pod!.status!.containerStatuses![0]!.lastState!.terminated).toMatchObject({
      exitCode: 0,
      reason: 'Completed'
    })
    expect(await cluster.pods.logs({ name }, { previous: true })).toContain('listening on 8080')
    // A fresh root: what the last run wrote is gone.
    expect(await sh(name, 'ls /broken 2>/dev/null || echo gone')).toBe('gone\n')
  })

  it('go into CrashLoopBackOff, and end as their restart policy says', async () => {
    const [crashing, never] = [unique('crash'), unique('never')]
    const container = { command: ['sh', '-c', 'echo last words; exit 3'] }
    await cluster.apply(podManifest({ name: crashing, container }))
    await cluster.apply(podManifest({ name: never, container, spec: { restartPolicy: 'Never' } }))
    const looping = await waitForPod(crashing, pod => waitingReason(pod) === 'CrashLoopBackOff', 'CrashLoopBackOff')
    expect(looping!.status!.containerStatuses![0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 3 } }
    })
    const failed = await waitForPod(never, ({ status }) => status?.phase === 'Failed', 'Failed')
    expect(failed!.status!.containerStatuses![0]!.state).toMatchObject({ terminated: { exitCode: 3, reason: 'Error' } })
    expect(await cluster.pods.logs({ name: never })).toBe('last words\n')
  })

  it('say why a container cannot be configured or started', async () => {
    const [misconfigured, broken] = [unique('pod'), unique('pod')]
    const env = [{ name: 'X', valueFrom: { secretKeyRef: { name: 'none', key: 'x' } } }]
    await cluster.apply(podManifest({ name: misconfigured, container: { env } }))
    await cluster.apply(podManifest({ name: broken, container: { command: ['/no/such/program'] } }))
    const pod = await waitForPod(misconfigured, pod => waitingReason(pod) === 'CreateContainerConfigError', 'the error')
    expect(pod!.status!.containerStatuses![0]!.state!.waiting!.message).toBe('secret "none" not found')
    await waitForPod(broken, pod => pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode === 127, '127')
    expect(await cluster.pods.logs({ name: broken }, { previous: true })).toContain('/no/such/program')
  })

  it('report FailedMount until a volume can be made', async () => {
    const [name, config] = [unique('pod'), unique('config')]
    const volumes = [{ name: 'config', configMap: { name: config } }]
    await cluster.apply(podManifest({ name, spec: { volumes } }))
    const failure = () =>
      cluster.client
        .list(events, { namespace: 'default', fieldSelector: `involvedObject.name=${name}` })
        .then(({ items }) => items.find(({ reason }) => reason === 'FailedMount')?.message)
    await expect.poll(failure).toBe(`MountVolume.SetUp failed for volume "config" : configmap "${config}" not found`)
    await cluster.apply(
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: config, namespace: 'default' } })
    )
    await cluster.pods.ready({ name })
  })

  it('share the node with host network: its address, name and resolver', async () => {
    const name = unique('host')
    const env = [
      { name: 'PORT', value: '18080' },
      { name: 'ECHO_PORT', value: '19000' }
    ]
    const pod = await start(name, { container: { env }, spec: { hostNetwork: true, ...onNode(2) } })
    expect(pod.status).toMatchObject({ podIP: '172.18.0.3', hostIP: '172.18.0.3' })
    expect(await sh(name, 'hostname; cat /etc/resolv.conf')).toBe('node-2\nnameserver 172.18.0.1\n')
  })

  it('are ended with SIGTERM, and SIGKILL when they do not listen', async () => {
    const [polite, deaf] = [unique('polite'), unique('deaf')]
    await start(polite, { container: ready, spec: { terminationGracePeriodSeconds: 60 } })
    await start(deaf, { container: { command: ['sleep', '1000'] }, spec: { terminationGracePeriodSeconds: 1 } })
    const begun = performance.now()
    await cluster.remove(podManifest({ name: polite }))
    expect(performance.now() - begun).toBeLessThan(10_000)
    const pid = cluster.pods.pid({ name: deaf })
    await cluster.remove(podManifest({ name: deaf }))
    expect(fs.existsSync(`/proc/${pid}`)).toBe(false)
  })

  it('get SIGTERM once, however often they change while they end', async () => {
    const name = unique('pod')
    const directory = `/run/${name}`
    const terms = path.join(directory, 'terms')
    const script = `trap 'echo term >> ${terms}' TERM; : > ${terms}; while :; do sleep 0.05; done`
    await start(name, {
      container: { command: ['sh', '-c', script], volumeMounts: [{ name: 'out', mountPath: directory }] },
      spec: {
        terminationGracePeriodSeconds: 2,
        volumes: [{ name: 'out', hostPath: { path: directory, type: 'DirectoryOrCreate' } }],
        ...onNode(1)
      }
    })
    const received = () => fs.readFileSync(cluster.nodes[0]!.path(terms), 'utf8')
    await expect.poll(() => fs.existsSync(cluster.nodes[0]!.path(terms))).toBe(true)
    const removed = cluster.remove(podManifest({ name }))
    await expect.poll(received).toBe('term\n')
    await cluster.client.patch(
      pods,
      { namespace: 'default', name },
      { metadata: { labels: { changed: 'yes' } } },
      { type: 'merge' }
    )
    await removed
    expect(received()).toBe('term\n')
  })

  it('leave nothing behind: namespace file, address, cgroup, processes, volumes', async () => {
    const name = unique('pod')
    const pod = await start(name, { container: ready, spec: onNode(1) })
    const node = cluster.nodes[0]!
    const pid = cluster.pods.pid({ name })
    const cgroup = fs
      .readFileSync(`/proc/${pid}/cgroup`, 'utf8')
      .split('\n')
      .find(line => line.includes('kubepods'))!
      .split(':')[2]!
    const addressFile = node.path(`/run/cni/networks/lab/${pod.status!.podIP}`)
    const volumes = node.path(`/var/lib/kubelet/pods/${pod.metadata!.uid}`)
    const netnsFiles = fs.readdirSync(node.path('/run/netns')).length
    expect([addressFile, volumes].map(file => fs.existsSync(file))).toEqual([true, true])
    await cluster.remove(podManifest({ name }))
    expect([addressFile, volumes, `/proc/${pid}`].map(file => fs.existsSync(file))).toEqual([false, false, false])
    expect(fs.readdirSync(node.path('/run/netns')).length).toBe(netnsFiles - 1)
    expect(fs.readdirSync(node.path('/run/culvert/containers'))).not.toContain(
      pod.status!.containerStatuses![0]!.containerID!.slice(10)
    )
    for (const root of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd']) {
      expect(fs.existsSync(root + cgroup)).toBe(false)
    }
    expect(
      (await node.exec(['ip', '-o', 'link', 'show', 'master', 'cni0'])).stdout.trim().split('\n').filter(Boolean).length
    ).toBe(fs.readdirSync(node.path('/run/netns')).length)
  })

  it('serve logs and ports through the API server, and ports on the machine', async () => {
    const name = unique('pod')
    await start(name, { container: ready })
    await using forward = await cluster.pods.forward({ name }, 8080)
    const body = await new Promise<string>((resolve, reject) => {
      http.get(`http://127.0.0.1:${forward.port}/forwarded`, response => resolve(text(response))).on('error', reject)
    })
    expect(body).toBe(`${name}\n`)
    await expect.poll(() => cluster.pods.logs({ name })).toContain('GET /forwarded from ::ffff:127.0.0.1')
    const log = await sh(
      name,
      'cd /var/run/secrets/kubernetes.io/serviceaccount; curl -sS -m 5 --cacert ca.crt -H "Authorization: Bearer $(cat token)" ' +
        `"https://kubernetes.default/api/v1/namespaces/default/pods/${name}/log?tailLines=1"`
    )
    expect(log).toContain('GET /forwarded')
  })

  it('are captured where one node talks to another', async () => {
    const [a, b] = [unique('a'), unique('b')]
    await start(a, { spec: onNode(1) })
    const other = await start(b, { container: ready, spec: onNode(2) })
    await using capture = await cluster.capture({ filter: 'tcp port 8080' })
    await sh(a, `curl -sS -m 5 http://${other.status!.podIP}:8080/find-me`)
    await capture.stop()
    const packets = await capture.packets()
    expect(packets.filter(({ payload }) => payload.includes('/find-me')).length).toBe(1)
    expect(packets.every(({ source, destination }) => [source.ip, destination.ip].includes(other.status!.podIP!))).toBe(
      true
    )
  })

  it('explain themselves when they do not become ready in time', async () => {
    const name = unique('pod')
    await cluster.apply(podManifest({ name, container: { image: 'culvert.dev/unknown' } }))
    await waitForPod(
      name,
      pod => waitingReason(pod) !== undefined && waitingReason(pod) !== 'ContainerCreating',
      'waiting'
    )
    await expect(cluster.pods.ready({ name, timeout: 200 })).rejects.toThrow(
      /ready: not within 200 ms; pod-\w+: Pending on node-\d, main waiting: (ErrImagePull|ImagePullBackOff)/
    )
    await expect(cluster.pods.exec({ name }, ['true'])).rejects.toMatchObject({ code: 'LAB_NOT_FOUND' })
    await expect(cluster.pods.exec({ name: 'nobody' }, ['true'])).rejects.toThrow('pod default/nobody is on no node')
  })
})
