import { randomBytes, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { V1Pod } from '@culvert/kubernetes'
import { type Netns, openNetns } from '@culvert/netns'
import { LabError, reasonOf } from '../errors.ts'
import { allNamespaces, enter } from '../machine/enter.ts'
import { runChecked } from '../machine/run-command.ts'
import type { LabNode } from '../node/node.ts'
import type { CniAttachment, CniChain } from './cni-chain.ts'

/** What a pod's containers share: a network namespace with addresses, and the sandbox id that CNI plugins see. */
export interface Sandbox {
  readonly id: string
  /** The namespace file as the machine sees it, for nsenter; undefined: the node's own network. */
  readonly netnsFile: string | undefined
  readonly netns: Netns
  readonly addresses: readonly string[]
  close(): Promise<void>
}

export interface SandboxOptions {
  readonly node: LabNode
  readonly chain: CniChain
  readonly pod: V1Pod
}

/** 64 hexadecimal digits, as container runtimes name sandboxes and containers. */
export const newContainerId = (): string => randomBytes(32).toString('hex')

export async function createSandbox({ node, chain, pod }: SandboxOptions): Promise<Sandbox> {
  const id = newContainerId()
  if (pod.spec?.hostNetwork) {
    const netns = openNetns(`/proc/${node.pid}/ns/net`)
    return { id, netnsFile: undefined, netns, addresses: [node.ip], close: async () => netns.close() }
  }
  const file = `/run/netns/cni-${randomUUID()}`
  // As plugins and agents know it: the first is what the second's symbolic link leads to.
  const announced = path.join('/var', file)
  const sandbox = {
    containerId: id,
    netns: announced,
    pod: { namespace: pod.metadata!.namespace!, name: pod.metadata!.name!, uid: pod.metadata!.uid! }
  }
  await createNetnsFile(node, file)
  let attachment: CniAttachment | undefined
  const remove = async (): Promise<void> => {
    try {
      await chain.remove(sandbox, attachment)
    } finally {
      await removeNetnsFile(node, file)
    }
  }
  try {
    attachment = await chain.add(sandbox)
    if (attachment.addresses.length === 0) {
      throw new LabError('LAB_SANDBOX', 'the CNI result holds no address')
    }
    const netns = openNetns(node.path(file))
    return {
      id,
      netnsFile: node.path(file),
      netns,
      addresses: attachment.addresses,
      close: async () => {
        netns.close()
        await remove()
      }
    }
  } catch (error) {
    // Half a sandbox is none; what DEL says on top only adds to the reason.
    const also = await remove().then(
      () => '',
      failure => `; removing it: ${reasonOf(failure)}`
    )
    throw new LabError('LAB_SANDBOX', `failed to setup network for sandbox "${id}": ${reasonOf(error)}${also}`, {
      cause: error
    })
  }
}

async function createNetnsFile(node: LabNode, file: string): Promise<void> {
  fs.writeFileSync(node.path(file), '', { mode: 0o444 })
  // Loopback, which runtimes bring up by a plugin of its own before the chain.
  await runChecked(enter(node.pid, allNamespaces, ['unshare', `--net=${file}`, 'ip', 'link', 'set', 'lo', 'up']))
}

async function removeNetnsFile(node: LabNode, file: string): Promise<void> {
  await runChecked(enter(node.pid, allNamespaces, ['umount', file]))
  fs.rmSync(node.path(file), { force: true })
}
