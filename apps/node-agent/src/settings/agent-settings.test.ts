import { describe, expect, it } from 'vitest'
import { readSettings } from './agent-settings.ts'

const cluster = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }
const read = (environment: Record<string, string>, argv: string[] = []) =>
  readSettings(argv, new Map(Object.entries({ ...cluster, ...environment })), { binaries: '/built/istio-cni' })

describe('settings', () => {
  it('have the defaults of the binary, not of the chart', () => {
    const settings = read({})
    expect(settings).toMatchObject({
      ambient: false,
      selectors: [],
      runDir: '/var/run/istio-cni',
      zdsPath: '/var/run/ztunnel/ztunnel.sock',
      monitoringPort: 15014,
      capture: { dnsCapture: false, ipv6: false, probe: { ipv4: '169.254.7.127' } },
      install: {
        binariesDir: '/built/istio-cni',
        configDir: '/host/etc/cni/net.d',
        mode: { kind: 'chained' },
        kubeconfig: { path: '/var/run/istio-cni/istio-cni-kubeconfig', mode: 0o600, protocol: 'https' }
      },
      logOutputLevel: 'default:info',
      ignoredFlags: []
    })
  })

  it("take the chart's environment and arguments", () => {
    const settings = read(
      {
        AMBIENT_ENABLED: 'true',
        AMBIENT_ENABLEMENT_SELECTOR: '- podSelector: {matchLabels: {istio.io/dataplane-mode: ambient}}',
        AMBIENT_DNS_CAPTURE: 'true',
        AMBIENT_IPV6: 'true',
        EXCLUDE_NAMESPACES: 'kube-system, ,istio-system',
        ISTIO_OWNED_CNI_CONFIG: 'true',
        NODE_NAME: 'node-1',
        REPAIR_RUN_AS_DAEMON: 'true',
        HOST_PROBE_SNAT_IPV6: 'FD0A:77::40:2'
      },
      ['--log_output_level=info,cni-plugin:debug', '--log_caller', '--monitoring-port', '15099', '--log_as_json']
    )
    expect(settings).toMatchObject({
      ambient: true,
      selectors: [{ podSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } } }],
      excludeNamespaces: ['kube-system', 'istio-system'],
      nodeName: 'node-1',
      monitoringPort: 15099,
      capture: { dnsCapture: true, ipv6: true, probe: { ipv6: 'fd0a:77::40:2' } },
      install: { mode: { kind: 'own', fileName: '02-istio-cni.conflist' } },
      logOutputLevel: 'info,cni-plugin:debug',
      logAsJson: true,
      ignoredFlags: ['log_caller']
    })
  })

  it('let a flag win, and a set but empty variable count', () => {
    expect(read({ MONITORING_PORT: '1' }, ['--monitoring-port=2']).monitoringPort).toBe(2)
    expect(read({ CHAINED_CNI_PLUGIN: '' }).install.mode).toEqual({ kind: 'standalone' })
    expect(read({ CNI_AGENT_RUN_DIR: '' }).runDir).toBe('')
    expect(read({ KUBECONFIG_MODE: '0644' }).install.kubeconfig.mode).toBe(0o644)
    expect(read({ KUBECONFIG_MODE: '420' }).install.kubeconfig.mode).toBe(0o644)
  })

  it.each([
    [{ AMBIENT_ENABLED: 'yes' }, 'AMBIENT_ENABLED="yes" is not true or false'],
    [{ MONITORING_PORT: '15o14' }, 'MONITORING_PORT="15o14" is not a number'],
    [{ HOST_PROBE_SNAT_IP: 'probe' }, 'HOST_PROBE_SNAT_IP="probe" is not an IP address'],
    [{ HOST_PROBE_SNAT_IP: 'fd00::1' }, 'HOST_PROBE_SNAT_IP="fd00::1" is not an IPv4 address'],
    [{ FORCE_IPTABLES_BINARY: 'xtables' }, 'FORCE_IPTABLES_BINARY="xtables" is not legacy or nft'],
    [{ AMBIENT_ENABLEMENT_SELECTOR: '{' }, 'AMBIENT_ENABLEMENT_SELECTOR cannot be used: '],
    [{ KUBERNETES_SERVICE_HOST: '' }, 'KUBERNETES_SERVICE_HOST is not set']
  ])('refuse %o', (environment, message) => {
    expect(() => read(environment as Record<string, string>)).toThrowError(message)
  })

  it.each([
    [['--no-such-flag=1'], 'unknown flag: --no-such-flag'],
    [['install'], 'unexpected argument "install"'],
    [['--cni-conf-name'], 'flag needs a value: --cni-conf-name']
  ])('refuse arguments %j', (argv, message) => {
    expect(() => read({}, argv)).toThrowError(message)
  })
})
