import { describe, expect, it } from 'vitest'
import { chooseBackend } from './choose-backend.ts'
import { type CaptureLog, createCommands, type RunProgram } from './commands.ts'
import { detectIptables } from './iptables-binary.ts'

type Answers = Record<string, { code?: number; stdout?: string; stderr?: string }>

const quiet: CaptureLog = { debug() {}, info() {}, warn() {} }
const notFound = { code: 127, stdout: '', stderr: 'not found' }

/** Answers by the longest prefix of the command line; everything else is a program that is not there. */
function machine(answers: Answers): { run: RunProgram; ran: string[] } {
  const ran: string[] = []
  return {
    ran,
    run: async (_netns, command, args) => {
      const line = [command, ...args].join(' ')
      ran.push(line)
      const known = Object.keys(answers)
        .filter(prefix => line === prefix || line.startsWith(`${prefix} `))
        .sort((a, b) => b.length - a.length)[0]
      return known === undefined ? notFound : { code: 0, stdout: '', stderr: '', ...answers[known] }
    }
  }
}

const ruled = '*filter\n:INPUT ACCEPT\nCOMMIT\n'
const nft: Answers = {
  'iptables-nft': {},
  'iptables-nft-save': {},
  'iptables-nft-save --version': { stdout: 'iptables-nft-save v1.8.9 (nf_tables)\n' }
}
const legacy = (saved: string, version: string): Answers => ({
  'iptables-legacy': {},
  'iptables-legacy-save': { stdout: saved },
  'iptables-legacy-save --version': { stdout: `iptables-legacy-save v${version} (legacy)\n` }
})
const plain: Answers = {
  iptables: {},
  'iptables-save': {},
  'iptables-save --version': { code: 1, stderr: "iptables-save: unrecognized option '--version'" }
}

describe('choice of the iptables programs', () => {
  it.each([
    {
      name: '[capture-25] legacy with rules over nft',
      answers: { ...legacy(ruled, '1.8.9'), ...nft },
      command: 'iptables-legacy',
      wait: ['--wait=30']
    },
    {
      name: '[capture-25] nft over legacy without rules',
      answers: { ...legacy('\n\n', '1.8.9'), ...nft },
      command: 'iptables-nft',
      wait: []
    },
    { name: 'legacy 1.6.2 waits', answers: legacy(ruled, '1.6.2'), command: 'iptables-legacy', wait: ['--wait=30'] },
    { name: 'legacy 1.6.1 cannot wait', answers: legacy(ruled, '1.6.1'), command: 'iptables-legacy', wait: [] },
    { name: 'the plain name, too old to say its version', answers: plain, command: 'iptables', wait: [] },
    {
      name: 'nft whose table does not exist is passed over',
      answers: { ...nft, 'iptables-nft': { stderr: "table `nat' does not exist" }, ...plain },
      command: 'iptables',
      wait: []
    },
    {
      name: 'nft without a version is passed over',
      answers: { ...nft, 'iptables-nft-save --version': { stdout: 'hello' }, ...plain },
      command: 'iptables',
      wait: []
    }
  ])('$name', async ({ answers, command, wait }) => {
    const commands = createCommands({ log: quiet, run: machine(answers as Answers).run })
    const binary = await detectIptables('ipv4', { commands, netns: undefined })
    expect(binary.command).toBe(command)
    expect(binary.waitArguments).toEqual(wait)
  })

  it('removes its trial rule', async () => {
    const { run, ran } = machine(nft)
    await detectIptables('ipv4', { commands: createCommands({ log: quiet, run }), netns: undefined })
    expect(ran.slice(-2)).toEqual([
      'iptables-nft -t nat -A INPUT -p 255 -j RETURN',
      'iptables-nft -t nat -D INPUT -p 255 -j RETURN'
    ])
  })

  it('fails if the forced one or the last one is unusable', async () => {
    const commands = createCommands({ log: quiet, run: machine(nft).run })
    const failed = expect.objectContaining({ code: 'IPTABLES_NO_BINARY' })
    await expect(detectIptables('ipv4', { commands, netns: undefined, forced: 'legacy' })).rejects.toThrowError(failed)
    await expect(detectIptables('ipv6', { commands, netns: undefined })).rejects.toThrowError(failed)
  })
})

describe('choice of the back end', () => {
  const absent = { code: 1, stderr: 'ipset v7.17: The set with the given name does not exist' }
  it.each([
    { name: 'iptables unless wanted', native: false, ipv6: true, answers: {}, backend: 'iptables' },
    { name: 'nftables if wanted', native: true, ipv6: true, answers: { ipset: absent, nft: {} }, backend: 'nftables' },
    {
      name: '[capture-24] iptables if its v4 ipset is there',
      native: true,
      ipv6: false,
      answers: { ipset: absent, 'ipset list -name istio-inpod-probes-v4': {}, nft: {} },
      backend: 'iptables'
    },
    {
      name: 'iptables if its v6 ipset is there and IPv6 on',
      native: true,
      ipv6: true,
      answers: { ipset: absent, 'ipset list -name istio-inpod-probes-v6': {}, nft: {} },
      backend: 'iptables'
    },
    {
      name: 'nftables if the v6 ipset is there and IPv6 off',
      native: true,
      ipv6: false,
      answers: { ipset: absent, 'ipset list -name istio-inpod-probes-v6': {}, nft: {} },
      backend: 'nftables'
    },
    {
      name: 'iptables if nft has no JSON',
      native: true,
      ipv6: false,
      answers: { ipset: absent, nft: { code: 1, stderr: 'Error: JSON support not compiled-in' } },
      backend: 'iptables'
    },
    { name: 'nftables if the tests fail', native: true, ipv6: false, answers: {}, backend: 'nftables' }
  ])('$name', async ({ native, ipv6, answers, backend }) => {
    const { run } = machine(answers as Answers)
    expect(await chooseBackend({ nativeNftables: native, ipv6, netns: undefined, log: quiet, run })).toBe(backend)
  })
})
