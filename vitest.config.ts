import { defineConfig, type ViteUserConfig } from 'vitest/config'

const shared = {
  ssr: { resolve: { conditions: ['source'] } },
  resolve: { conditions: ['source'] }
}

const integration = ['{packages,apps,native}/*/{src,test}/**/*.integration.test.ts']

const config: ViteUserConfig = defineConfig({
  ...shared,
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ['{packages,apps,native}/*/{src,test}/**/*.test.ts'],
          exclude: [...integration, '**/node_modules/**', '**/dist/**'],
          testTimeout: 10_000,
          // Files of one worker share what they import: half of the time was loading the same modules again.
          isolate: false
        }
      },
      {
        ...shared,
        test: {
          name: 'integration',
          include: integration,
          exclude: ['**/node_modules/**', '**/dist/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000
        }
      }
    ]
  }
})

export default config
