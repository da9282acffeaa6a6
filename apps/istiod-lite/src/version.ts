const [number, revision, buildStatus] = ['0.1.0', 'culvert', 'Clean'] as const

/** `VERSION-REVISION-STATUS`: what `istioctl version` splits (docs/spec/observability-dns.md section 9). */
export const version: string = [number, revision, buildStatus].join('-')

/** Who answers, for `istioctl proxy-status` (docs/spec/observability-dns.md section 9). */
export const controlPlaneIdentifier = (podName: string): string =>
  JSON.stringify({
    Component: 'istiod',
    ID: podName,
    Info: { version: number, revision, golang_version: '', status: buildStatus, tag: number }
  })
