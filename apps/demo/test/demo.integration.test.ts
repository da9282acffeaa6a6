import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { labUnsupported } from '@culvert/lab'
import { describe, expect, it } from 'vitest'

const unsupported = labUnsupported()

/** The demo as a program of its own, with what it prints. */
function startDemo(...args: string[]): {
  ended: Promise<number | null>
  output: () => string
  until: (pattern: RegExp) => Promise<RegExpExecArray>
  end: (signal: NodeJS.Signals) => Promise<number | null>
} {
  const main = path.resolve(import.meta.dirname, '../src/main.ts')
  const child = spawn(process.execPath, ['--conditions=source', main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>(resolve => child.on('close', resolve))
  let output = ''
  let look = (): void => {}
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      look()
    })
  }
  return {
    ended,
    output: () => output,
    until: pattern =>
      new Promise((resolve, reject) => {
        look = () => {
          const match = pattern.exec(output)
          if (match) resolve(match)
        }
        look()
        void ended.then(code => reject(new Error(`the demo ended with ${code} before it said ${pattern}:\n${output}`)))
      }),
    end: signal => {
      child.kill(signal)
      return ended
    }
  }
}

describe.skipIf(unsupported !== undefined)(`the demo${unsupported ? ` (skipped: ${unsupported})` : ''}`, () => {
  it('keeps the cluster with --keep, tells how to use it, and removes it at Ctrl-C', async () => {
    const demo = startDemo('--keep')
    const [, dump] = await demo.until(/curl -s (http:\/\/127\.0\.0\.1:\d+\/config_dump)[\s\S]*istiod-lite\n/)
    const [, kubeconfig] = /KUBECONFIG=(\S+)/.exec(demo.output())!
    expect(existsSync(kubeconfig!)).toBe(true)
    const answer = (await (await fetch(dump!)).json()) as { workloads: unknown[] }
    expect(answer.workloads.length).toBeGreaterThan(9)
    const [, question] = /curl -s '(http:\S+explain\?source=\S+)'/.exec(demo.output())!
    // Its policy of step 4 is in force.
    expect(await (await fetch(question!)).json()).toMatchObject({
      choices: [{ service: 'bookstore/details.bookstore.svc.cluster.local', endpoints: [{ rank: 0 }] }],
      decision: { kind: 'hbone', service: 'bookstore/details.bookstore.svc.cluster.local' },
      farEnd: { kind: 'accept', policies: { considered: [{ hit: true }, {}] } }
    })
    expect(await demo.end('SIGINT')).toBe(0)
    expect(existsSync(path.dirname(kubeconfig!))).toBe(false)
  })

  it.each([/A cluster of two nodes/, /1\. Before the mesh/, /2\. The namespace joins/])(
    'ends at Ctrl-C after %s',
    async moment => {
      const demo = startDemo()
      await demo.until(moment)
      expect(await demo.end('SIGINT')).toBe(130)
      expect(demo.output()).toContain('Everything of the cluster is removed.')
      expect(demo.output()).not.toContain('keep it alive')
    }
  )

  it('names an argument that it does not know', async () => {
    const demo = startDemo('--keepp')
    expect(await demo.ended).toBe(2)
    expect(demo.output()).toContain("unknown argument '--keepp'")
  })
})
