import { describe, expect, it } from 'vitest'
import { createImageCatalogue } from './image-catalogue.ts'

describe('the image catalogue', () => {
  const images = createImageCatalogue({
    'culvert/ztunnel': { command: ['ztunnel'] },
    'culvert/ztunnel:2': { command: ['ztunnel-2'] },
    'registry.test:5000/app': { command: ['app'] }
  })

  it.each([
    ['culvert/ztunnel', 'ztunnel'],
    ['culvert/ztunnel:1.2.3', 'ztunnel'],
    ['culvert/ztunnel:2', 'ztunnel-2'],
    ['culvert/ztunnel@sha256:abcd', 'ztunnel'],
    ['registry.test:5000/app', 'app'],
    ['registry.test:5000/app:v1', 'app'],
    ['registry.test', undefined],
    ['ztunnel', undefined]
  ])('finds %s', (name, command) => {
    expect(images.find(name)?.command[0]).toBe(command)
  })

  it('tells those who wait for an image', async () => {
    const changed = images.changed()
    images.register('late', { command: ['late'] })
    await changed
    expect(images.find('late')).toBeDefined()
  })

  it('refuses an image without a command', () => {
    expect(() => images.register('empty', { command: [] })).toThrow("image 'empty' has no command")
  })
})
