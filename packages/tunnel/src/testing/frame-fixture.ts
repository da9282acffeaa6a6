import { afterAll, beforeAll } from 'vitest'
import type { DataPath, Endpoint } from '../data-path.ts'
import { connect, type FramePeer, frameClient } from './frame-peer.ts'
import { data } from './frames.ts'
import { createTestIdentities, echo, TestMesh } from './test-mesh.ts'
import type { TestPod, TestPodOptions } from './test-pod.ts'

/** For one test file: a pod, an application that echoes, and a tunnel that has to go on whatever others suffer. */
export class FrameFixture {
  mesh!: TestMesh
  application!: Endpoint
  pod!: TestPod
  witness!: FramePeer

  constructor(dataPath: () => DataPath) {
    beforeAll(async () => {
      this.mesh = new TestMesh(await createTestIdentities(), dataPath())
      this.application = await this.mesh.application(echo)
      this.pod = await this.mesh.server()
      this.witness = await this.peer()
    })
    afterAll(async () => {
      try {
        await this.witnessGoesOn()
      } finally {
        await this.mesh[Symbol.asyncDispose]()
      }
    })
  }

  /** A client that greeted, with stream 1 open to `to`, by default to the application that echoes. */
  async peer(
    to: Endpoint = this.application,
    pod: TestPod = this.pod,
    ...values: readonly (readonly [number, number])[]
  ): Promise<FramePeer> {
    const peer = await frameClient(this.mesh, pod.address('inbound-hbone'))
    peer.greet(...values)
    peer.send(connect(1, to))
    await peer.status(1)
    return peer
  }

  /** A pod with settings of its own. */
  server(options: TestPodOptions): Promise<TestPod> {
    return this.mesh.server(options)
  }

  async witnessGoesOn(): Promise<void> {
    await echoes(this.witness, 1, 'still here')
  }
}

/** Stream and connection carry bytes both ways. */
export async function echoes(peer: FramePeer, stream: number, text: string): Promise<void> {
  const before = peer.text(stream)
  peer.send(data(stream, text))
  await peer.until(() => peer.text(stream) === before + text)
}
