import { expect, it } from 'vitest'
import { startControlPlane } from '../test/control-plane.ts'

it('a busy port fails the start, by name', async () => {
  await using plane = await startControlPlane()
  const flags = [`--httpAddr=127.0.0.1:${plane.httpPort}`]
  await expect(startControlPlane({ beside: plane, arguments: flags })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${plane.httpPort}`
  )
})
